`user show`, in the shell and at `/api`, says whom somebody reports to and who reports to them, by `manager` in the directory or in
the people file.
