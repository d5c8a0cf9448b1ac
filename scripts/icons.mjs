// Every icon the templates use, by its Lucide name; the sprite holds these and no others.
export const ICONS = [
  "arrow-down", "arrow-left", "arrow-up", "at-sign", "book-open", "bot", "check", "check-check", "chevron-down", "circle",
  "circle-check", "circle-x", "clock", "copy", "download", "file-text", "flask-conical", "history", "info", "key-round", "keyboard", "link", "loader-circle",
  "list-checks", "list-plus", "lock", "log-out", "menu", "message-circle", "messages-square", "monitor-smartphone", "moon", "paperclip", "pause", "pencil", "play", "plus", "reply", "rotate-cw",
  "bell", "bell-off", "circle-slash", "sparkles", "wrench", "calendar-clock", "chevron-up", "chevrons-up", "circle-dashed", "equal", "eye", "list", "search", "square-kanban", "chevron-right", "fingerprint", "hourglass", "inbox",
  "scroll-text", "server", "settings", "slash", "smile", "square", "trash-2", "triangle-alert", "user-round", "users", "wifi-off", "x",
]
