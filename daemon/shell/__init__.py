"""The imperative shell: the pump, the order queue, the journal, and what a person sees."""
