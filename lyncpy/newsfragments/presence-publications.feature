A publication of a state costs the server about half of what it did, a renewed registration two thirds, and a signed-in device that watches forty contacts keeps about a sixth less memory.
