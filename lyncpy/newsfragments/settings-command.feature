`settings` in the shell shows every setting as it is in force, and whether it comes from the command line, the file or the default.
