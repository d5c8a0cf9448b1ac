// Reactions of one message. Who reacted stands in data-users, so "mine" is decided here and not in what everybody gets.
import { personName } from "./roster.js"

export const reactors = (button) => button.dataset.users.split(" ").filter(Boolean)

export function showReactions(message) {
  for (const button of message.querySelectorAll(".reactions > button")) {
    const users = reactors(button)
    const names = users.map(personName).join(", ")
    button.setAttribute("aria-pressed", String(users.includes(document.body.dataset.me)))
    button.setAttribute("aria-label", `${button.dataset.emoji} ${users.length}: ${names}`)
    button.title = names
  }
}

// Adds or takes away one's own reaction on the page; answers whether it was added.
export function toggleReaction(message, emoji) {
  const me = document.body.dataset.me
  const button = buttonFor(message, emoji)
  const users = reactors(button)
  const adding = !users.includes(me)
  const next = adding ? [...users, me] : users.filter((id) => id !== me)
  button.dataset.users = next.join(" ")
  button.textContent = `${emoji} ${next.length}`
  if (!next.length) button.remove()
  showReactions(message)
  return adding
}

// Shows one's own reaction, or that there is none.
export function setReaction(message, emoji, wanted) {
  const button = shownButton(message, emoji)
  const there = Boolean(button && reactors(button).includes(document.body.dataset.me))
  if (there !== wanted) toggleReaction(message, emoji)
}

const shownButton = (message, emoji) => [...message.querySelectorAll(".reactions > button")].find((one) => one.dataset.emoji === emoji)

function buttonFor(message, emoji) {
  const row = message.querySelector(".reactions")
  const there = shownButton(message, emoji)
  if (there) return there
  const button = Object.assign(document.createElement("button"), { type: "button" })
  Object.assign(button.dataset, { emoji, users: "", action: "reactions#toggle" })
  row.append(button)
  return button
}
