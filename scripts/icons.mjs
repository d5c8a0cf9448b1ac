// Every icon the templates use, by its Lucide name; the sprite holds these and no others.
export const ICONS = [
  "arrow-down", "arrow-up", "at-sign", "bot", "check", "check-check", "chevron-down", "chevron-right", "circle", "circle-alert",
  "circle-check", "circle-x", "clock", "copy", "ellipsis", "flask-conical", "hourglass", "info", "key-round", "keyboard", "link", "loader-circle",
  "lock", "log-out", "menu", "messages-square", "monitor-smartphone", "moon", "pause", "pencil", "play", "plus", "refresh-cw", "reply", "rotate-cw",
  "send", "settings", "shield-check", "slash", "smile", "square", "sun", "trash-2", "triangle-alert", "user-round", "users", "wifi-off", "x",
]
