"""The strategies that ship with kalshid: one file each, with its idea, source, risks and parameters."""
