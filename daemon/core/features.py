"""PLACEHOLDER: contract only; see ARCHITECTURE."""
