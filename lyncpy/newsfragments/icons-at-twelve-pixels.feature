The icon of do not disturb has corners, and that of somebody unknown is a grey disc: at 12 pixels each is told from the others, on light pages and dark ones.
