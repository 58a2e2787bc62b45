A user may keep 64 contact groups, "Other Contacts" included, instead of 63.
