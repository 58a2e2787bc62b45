"""Tells twistd that there is a `lyncpy`; imports nothing of ours, so that other services pay nothing."""

from twisted.application.service import ServiceMaker

lyncpy = ServiceMaker("lyncpy", "lyncpy.app.tap", "A communications server for Lync clients", "lyncpy")
