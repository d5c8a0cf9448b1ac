import { Controller } from "@hotwired/stimulus"
import { Offline, reason, request } from "../helpers/api.js"
import { toast } from "../helpers/dom.js"
import { personName } from "../helpers/roster.js"

// Reactions: who reacted stands in data-users, so that "mine" is decided here and not in what everybody gets.
export default class extends Controller {
  toggle({ currentTarget: button }) { this.#set(button.closest("article"), button.dataset.emoji) }

  add({ detail: { message, emoji } }) { this.#set(message, emoji) }

  static show(message) {
    for (const button of message.querySelectorAll(":scope .reactions > button")) {
      const users = button.dataset.users.split(" ").filter(Boolean)
      button.setAttribute("aria-pressed", String(users.includes(document.body.dataset.me)))
      const names = users.map(personName).join(", ")
      button.setAttribute("aria-label", `${button.dataset.emoji} ${users.length}: ${names}`)
      button.title = names
    }
  }

  // Shown at once; the server's copy of the message replaces it, and a refusal takes it back.
  async #set(message, emoji) {
    const adding = this.#change(message, emoji)
    try {
      const id = message.id.replace("message_", "")
      const answer = await request(adding ? "PUT" : "DELETE", `/api/messages/${id}/reactions/${encodeURIComponent(emoji)}`)
      if (answer.ok) return
      toast(reason(answer))
    } catch (error) {
      if (!(error instanceof Offline)) throw error
      toast("Not sent: the server does not answer.")
    }
    this.#change(message, emoji)
  }

  // Adds or takes away one's own reaction on the page; answers whether it was added.
  #change(message, emoji) {
    const me = document.body.dataset.me
    const row = message.querySelector(".reactions")
    let button = [...row.children].find((one) => one.dataset.emoji === emoji)
    if (!button) {
      button = document.createElement("button")
      Object.assign(button, { type: "button" })
      Object.assign(button.dataset, { emoji, users: "", action: "reactions#toggle" })
      row.append(button)
    }
    const users = button.dataset.users.split(" ").filter(Boolean)
    const adding = !users.includes(me)
    const next = adding ? [...users, me] : users.filter((id) => id !== me)
    button.dataset.users = next.join(" ")
    button.textContent = `${emoji} ${next.length}`
    if (!next.length) button.remove()
    this.constructor.show(message)
    return adding
  }
}
