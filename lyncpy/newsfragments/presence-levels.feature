Presence is complete: what all devices of a user can do is told as one (`services`), his own devices learn at which of
them he sits, busy and do not disturb that are bound in time end by themselves, and the workgroup sees a lowered do not
disturb whichever client set it. Access levels are searched for each category, users from other domains have levels of
their own, delegates see what the workgroup sees, and in privacy mode only contacts and people placed by name see
anything beyond a user's name.
