The documentation explains every warning of the log, every condition and every refusal that clients can show, with its cause and what to do; it is made from the code, so that none is missing.
