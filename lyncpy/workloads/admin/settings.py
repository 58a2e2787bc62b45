"""The section [admin]."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from lyncpy.contracts.listening import ListeningPlace


class Settings(BaseModel):
    """The shell: who may come in by SSH, and how much they may ask for."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)

    host: str = "127.0.0.1"
    """The address on which the shell listens; anything but loopback lets other machines try their keys."""

    port: int = Field(default=2222, ge=0, le=65535)
    """The port on which the shell listens; 0 means that there is no shell."""

    socket: str = "ctl.socket"
    """The Unix socket of `lyncpy ctl`, at which root and the server's own user are operators without a key; "" means that there is none. Of several processes ([pool] processes) each further one has its own, "ctl.2.socket", and `lyncpy ctl` asks the first that answers."""

    authorized_keys: str = Field(default="authorized_keys", min_length=1)
    """The file of public keys that are let in, one a line as OpenSSH writes them; `environment="LYNCPY_ROLE=viewer"` in front of a key gives it another role than default_role, and a change of the file counts from the next sign-in on."""

    default_role: Literal["viewer", "operator", "developer"] = "operator"
    """What a key may do that has no role of its own: a viewer looks, an operator changes things, a developer may use the Python prompt too."""

    host_key_folder: str = Field(default=".", min_length=1)
    """The folder of the shell's own keys, ssh_host_ed25519_key and ssh_host_rsa_key; they are made at the first start, and only this server may read them."""

    python_prompt: bool = False
    """Whether developers may have a Python prompt inside the running server (`ssh -t HOST python`): it can do anything that the server can."""

    connections: int = Field(default=16, ge=1, le=256)
    """Connections to the shell at once on which a key was proven; for one more, the one without a key pressed for longest is closed."""

    strangers: int = Field(default=32, ge=4, le=256)
    """Connections to the shell at once on which no key was proven yet; for one more, one of them is closed: the oldest that has said least, of the address with the most."""

    sessions_per_connection: int = Field(default=8, ge=1, le=64)
    """Prompts and commands at once over one connection."""

    login_s: int = Field(default=30, ge=5, le=600)
    """Seconds within which a connection has to prove its key."""

    login_tries: int = Field(default=6, ge=1, le=20)
    """Keys that a connection may try before it is closed."""

    idle_s: int = Field(default=1800, ge=30, le=86400)
    """Seconds without a key pressed after which a prompt is closed."""

    command_s: int = Field(default=300, ge=1, le=600)
    """Seconds that a command may take; then it is given up."""

    line_bytes: int = Field(default=4096, ge=256, le=65536)
    """The longest command line, in bytes."""

    input_bytes: int = Field(default=1_048_576, ge=4096, le=16_777_216)
    """The longest input of one command that reads some, as a list of people, in bytes."""

    output_bytes: int = Field(default=4_194_304, ge=65536, le=67_108_864)
    """The longest output of one command, in bytes; what is beyond is cut off, and says so."""

    history_lines: int = Field(default=200, ge=0, le=10_000)
    """Lines that a prompt remembers, until it is closed."""

    console: bool = False
    """Whether the site has a console at /console/, on which holders of operators' tokens and of links that the shell prints look at the server; docs/console.md."""

    console_s: int = Field(default=28_800, ge=300, le=604_800)
    """Seconds after which somebody has to sign in to the console again."""

    console_sessions: int = Field(default=100, ge=1, le=1000)
    """Browsers that may be signed in to the console at once, eight of one operator; one more of the same ends their oldest, one of another is refused."""

    @property
    def open_files(self) -> int:
        """How many files the shell may have open."""
        local = self.connections + 1 if self.socket else 0
        return local + (self.connections + self.strangers + 1 if self.port else 0)

    @property
    def places(self) -> tuple[ListeningPlace, ...]:
        """Give where operators are awaited."""
        return (ListeningPlace("admin", "port", "host", self.host, self.port),) if self.port else ()
