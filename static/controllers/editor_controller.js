import { Controller } from "@hotwired/stimulus"
import { outbox } from "../outbox.js"
import { Offline, reason, request } from "../helpers/api.js"
import { sibling, toast } from "../helpers/dom.js"
import { idOf, isActive, isMine } from "../helpers/message.js"
import { plainSource } from "../helpers/plain_source.js"

// Editing and deleting one's own messages, in their place.
export default class extends Controller {
  static targets = ["form", "confirm"]

  open() { this.#edit(sibling(this, "tools").chosen()) }

  openLast() {
    const own = [...this.element.querySelectorAll("article[data-mine]:not([data-deleted])")].at(-1)
    if (own) this.#edit(own)
  }

  key(event) {
    if (event.key === "Escape") {
      event.preventDefault()
      this.#close(event.currentTarget)
    } else if (event.key === "Enter" && !event.shiftKey && !event.isComposing && event.target.matches("textarea")) {
      event.preventDefault()
      event.currentTarget.requestSubmit()
    }
  }

  cancel({ currentTarget }) { this.#close(currentTarget.form) }

  // Without an answer the edit waits in the outbox.
  async save(event) {
    event.preventDefault()
    const form = event.currentTarget
    const message = form.closest("article")
    const content = form.querySelector("textarea").value.trim()
    const entry = outbox.add({
      kind: "edit", thread: message.dataset.thread, method: "PATCH", path: `/api/messages/${idOf(message)}`,
      body: { content }, about: { message: idOf(message), text: content },
    })
    if ((await entry.first) !== "failed") return form.isConnected && this.#close(form)
    const line = form.querySelector(".error")
    line.textContent = entry.reason
    line.hidden = false
    outbox.forget(entry.key)
  }

  remove() {
    const message = sibling(this, "tools").chosen()
    if (!message || !isMine(message)) return
    const dialog = this.confirmTarget
    dialog.returnValue = "no"
    dialog.showModal()
    dialog.addEventListener("close", () => dialog.returnValue === "yes" && this.#remove(message), { once: true })
  }

  async #remove(message) {
    try {
      const answer = await request("DELETE", `/api/messages/${idOf(message)}`)
      if (!answer.ok) toast(reason(answer))
    } catch (error) {
      if (!(error instanceof Offline)) throw error
      toast("Not deleted: the server does not answer.")
    }
  }

  async #edit(message) {
    if (!message || !isMine(message) || !isActive(message)) return
    const content = await this.#source(message)
    if (content === undefined || message.querySelector(".editor")) return
    const form = this.formTarget.content.firstElementChild.cloneNode(true)
    const field = form.querySelector("textarea")
    field.value = content
    field.required = !message.querySelector(".files")
    message.querySelector(".prose").after(form)
    field.focus()
    field.setSelectionRange(content.length, content.length)
    message.scrollIntoView({ block: "nearest" })
  }

  // What was typed, not what it looks like: the page holds only the rendered text, which tells it while it is plain.
  async #source(message) {
    const waiting = outbox.waiting.findLast(({ kind, about }) => kind === "edit" && about.message === idOf(message))
    if (waiting) return waiting.about.text
    try {
      const { thread, seq } = message.dataset
      const { ok, data } = await request("GET", `/api/threads/${thread}/messages?around=${seq}&limit=1`)
      return ok ? data.messages.find(({ id }) => id === idOf(message))?.row.content : undefined
    } catch (error) {
      if (!(error instanceof Offline)) throw error
      const plain = plainSource(message.querySelector(".prose"))
      if (plain === undefined) toast("The server does not answer. Formatted text can be edited when it does.")
      return plain
    }
  }

  #close(form) {
    const message = form.closest("article")
    form.remove()
    message.focus({ preventScroll: true })
  }
}
