Delegates are set by clients and told to all devices; `[presence] delegates_per_user` bounds how many.
