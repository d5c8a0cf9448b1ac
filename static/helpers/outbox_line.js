// The words for what waits.
import { sentence } from "./dom.js"
import { fileNames, isPlaced } from "./outbox.js"

const SHORT = 140

// What it is, on one line.
export function title({ kind, about }) {
  const line = (about.text || fileNames(about)).replace(/\s+/g, " ").slice(0, SHORT)
  return kind === "edit" ? `Edit: ${line}` : line
}

export function words({ state, reason }) {
  if (state === "failed") return `Not sent. ${sentence(reason)}`
  return { sending: "Sending…", sent: "" }[state] ?? reason
}

// Says it in an element with the class outbox; what is right already is not touched, since somebody may watch it.
export function say(line, entry) {
  const text = line.querySelector(".outbox__words > span")
  const said = isPlaced(entry) ? words(entry) : `${title(entry)} · ${words(entry)}`
  if (line.dataset.state !== entry.state) line.dataset.state = entry.state
  if (text.textContent !== said) text.textContent = said
}
