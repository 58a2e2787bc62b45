"""What is ticket, proof and certificate: values and rules, pure."""
