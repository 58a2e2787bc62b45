Messages, invitations and subscriptions to a former address reach its user under the new one for `[directory] forward_s` (30 days), unless somebody else gets it first.
