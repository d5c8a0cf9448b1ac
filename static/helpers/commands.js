// What can be typed after "/": a few things that have a button or a key too.
import { agent } from "./roster.js"

export const COMMANDS = [
  ["/stop", "Stop what agents are writing; /stop @agent only one"],
  ["/retry", "Send the last failed delivery again"],
  ["/latest", "Jump to the newest message"],
  ["/agents", "Open the Agents page"],
  ["/help", "List all keys"],
]

// Answers {done}, {refused: words} or {} when the text is a message and no command.
export function runCommand(text, { element, visit }) {
  const [, name, rest] = /^\/(\w+)(?:\s+(.*))?$/s.exec(text) ?? []
  const run = COMMANDS.some(([command]) => command === `/${name}`) && RUN[name]
  return run ? run({ rest, element, visit }) : {}
}

const tell = (element, name, detail) => element.dispatchEvent(new CustomEvent(name, { bubbles: true, detail }))

const RUN = {
  stop({ rest, element }) {
    const key = rest?.trim().replace(/^@/, "")
    if (key && !agent(key)) return { refused: `No agent is called ${key}.` }
    tell(element, "room:stop", { agent: key, all: true })
    return { done: true }
  },
  retry({ element }) {
    const button = [...element.closest(".room").querySelectorAll('.delivery[data-state="failed"] > .btn')].at(-1)
    if (!button) return { refused: "No delivery failed here." }
    button.click()
    return { done: true }
  },
  latest({ element }) {
    tell(element, "room:latest")
    return { done: true }
  },
  agents({ visit }) {
    visit(document.querySelector('[data-go="a"]').href)
    return { done: true }
  },
  help() {
    document.getElementById("keys").showModal()
    return { done: true }
  },
}
