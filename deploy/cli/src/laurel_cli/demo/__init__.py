"""The demo: a real grocer's year through the whole stack, and what a shopkeeper wants to know about it. The one thing not to break: every
figure of the summary comes from the running services over HTTP; nothing is computed beside them."""
