Clients from before 2007 see presence instead of an error: as lists (`adrl`) and single subscriptions in the formats
`msrtc.pidf`, `pidf` and `xpidf`, by `getPresence` and `setPresence`, and they are asked about new watchers by
`presence.wpending`.
