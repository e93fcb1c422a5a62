"""HTTP in: the gateway, signed media, the report page, sign-in, the feed and the API's one description."""
