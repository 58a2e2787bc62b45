`nodes` in the shell lists the servers on the bus, each as it says it is, and how much of what it told was lost on the way.
