"""Sign-in where the portal stands alone: passkeys, the codes that bind them to an account, and sessions.

A mounted portal uses none of this: its host says who asks, and no cookie is set.
"""
