"""The exchange's side of the rules, pure: matching, accounts, queue rules, the tape format."""
