A message within a conversation costs the server about half of the processor time that it did: what a dialog's messages have in common is read once, and what is passed on is written ahead.
