"""From files of a channel or a till to reports at the door: read, order, spread over lanes, send, remember how far. The one thing not
to break: within a member the order of the file is the order at the door, so a batch is answered before its lane sends the next."""
