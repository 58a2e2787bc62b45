People come from OpenLDAP, Active Directory or a TOML file; disabled people are signed out within one interval, an outage changes nothing, and a pull that would remove too many is refused.
