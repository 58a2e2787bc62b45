The shell's `presence top` names the devices that publish most and what that costs. Changes of a device that publishes
too many of them are told to watchers less often, but never refused; see `publications_per_minute` in `[presence]`.
