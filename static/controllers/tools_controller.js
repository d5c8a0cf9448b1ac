import { Controller } from "@hotwired/stimulus"
import { Offline, reason, request } from "../helpers/api.js"
import { copyText, somethingOpen, toast, typingIn } from "../helpers/dom.js"

const LONG_PRESS_MS = 450

// What can be done with one message: by its tools, by key, or on touch by a sheet.
export default class extends Controller {
  static targets = ["template", "sheet", "emoji", "editor", "confirm"]
  static values = { path: String }

  #message = null
  #bar
  #press
  #beside = false

  connect() { this.element.addEventListener("room:editlast", this.#editLast) }

  disconnect() {
    this.element.removeEventListener("room:editlast", this.#editLast)
    clearTimeout(this.#press)
  }

  hover({ target }) { this.#show(target.closest("article[data-seq]")) }

  focus({ target }) {
    const message = target.closest("article[data-seq]")
    if (message) this.#activate(message)
  }

  touch({ target }) {
    const message = target.closest("article[data-seq]")
    if (!message || target.closest("a, button, summary")) return
    this.#press = setTimeout(() => this.#openSheet(message), LONG_PRESS_MS)
  }

  release() { clearTimeout(this.#press) }

  context(event) {
    if (matchMedia("(hover: none)").matches && event.target.closest("article[data-seq]")) event.preventDefault()
  }

  press(event) {
    if (event.defaultPrevented || event.metaKey || event.ctrlKey || event.altKey) return
    if (event.key === "Escape" && !somethingOpen()) return this.dispatch("stop", { prefix: "room", detail: {} })
    if (typingIn(event.target) || somethingOpen()) return
    const run = { j: () => this.#step(1), k: () => this.#step(-1), r: () => this.reply(), e: () => this.edit(), "+": () => this.react(event) }[event.key]
    if (!run) return
    event.preventDefault()
    run()
  }

  react(event) {
    const message = this.#chosen()
    if (!message || message.dataset.kind === "system") return
    const button = event.currentTarget instanceof Element && event.currentTarget
    const from = (button?.closest?.(".msg__tools") ? button : message).getBoundingClientRect()
    const picker = this.emojiTarget
    picker.showPopover()
    const size = picker.getBoundingClientRect()
    picker.style.left = `${Math.max(8, Math.min(from.right - size.width, innerWidth - size.width - 8))}px`
    picker.style.top = `${from.top > size.height + 8 ? from.top - size.height - 4 : Math.min(from.bottom + 4, innerHeight - size.height - 8)}px`
    picker.querySelector("button").focus()
  }

  pick({ params }) {
    this.emojiTarget.hidePopover()
    const message = this.#chosen()
    if (!message) return
    this.application.getControllerForElementAndIdentifier(this.element, "reactions").add({ detail: { message, emoji: params.emoji } })
    message.focus({ preventScroll: true })
  }

  reply() {
    const message = this.#chosen()
    if (!message || message.dataset.kind === "system" || "deleted" in message.dataset) return
    const text = message.querySelector(".prose").textContent.trim().replace(/\s+/g, " ").slice(0, 140)
    const { author, seq } = message.dataset
    this.dispatch("reply", { prefix: "room", detail: { id: this.#id(message), author, seq, text } })
  }

  // A tap beside the sheet hits the dialog itself; the end of the long press that opened it is no tap.
  aim({ target }) { this.#beside = target === this.sheetTarget }

  dismiss({ target }) {
    if (this.#beside && target === this.sheetTarget) this.sheetTarget.close()
    this.#beside = false
  }

  copyText() { copyText(this.#chosen()?.querySelector(".prose").innerText ?? "") }

  copyLink() {
    const message = this.#chosen()
    if (message) copyText(`${location.origin}${this.pathValue}?around=${message.dataset.seq}#${message.id}`)
  }

  async edit() {
    const message = this.#chosen()
    if (!message || !("mine" in message.dataset) || "deleted" in message.dataset || message.querySelector(".editor")) return
    const content = await this.#source(message)
    if (content === null || message.querySelector(".editor")) return
    const form = this.editorTarget.content.firstElementChild.cloneNode(true)
    const field = form.querySelector("textarea")
    field.value = content
    message.querySelector(".prose").after(form)
    field.focus()
    field.setSelectionRange(field.value.length, field.value.length)
    message.scrollIntoView({ block: "nearest" })
  }

  editorKey(event) {
    if (event.key === "Escape") {
      event.preventDefault()
      this.#close(event.currentTarget)
    } else if (event.key === "Enter" && !event.shiftKey && !event.isComposing && event.target.matches("textarea")) {
      event.preventDefault()
      event.currentTarget.requestSubmit()
    }
  }

  cancelEdit({ currentTarget }) { this.#close(currentTarget.form) }

  async save(event) {
    event.preventDefault()
    const form = event.currentTarget
    const message = form.closest("article")
    const content = form.querySelector("textarea").value.trim()
    const answer = await this.#ask("PATCH", message, { content })
    if (answer?.ok) return this.#close(form)
    const line = form.querySelector(".error")
    line.textContent = answer ? reason(answer) : "The server does not answer. Your text is still here."
    line.hidden = false
  }

  remove() {
    const message = this.#chosen()
    if (!message || !("mine" in message.dataset)) return
    const dialog = this.confirmTarget
    dialog.returnValue = "no"
    dialog.showModal()
    dialog.addEventListener("close", async () => {
      if (dialog.returnValue !== "yes") return
      const answer = await this.#ask("DELETE", message)
      if (!answer?.ok) toast(answer ? reason(answer) : "Not deleted: the server does not answer.")
    }, { once: true })
  }

  #editLast = () => {
    const own = [...this.element.querySelectorAll("article[data-mine]:not([data-deleted])")].at(-1)
    if (!own) return
    this.#activate(own)
    this.edit()
  }

  #chosen() {
    this.sheetTarget.close()
    return this.#message?.isConnected ? this.#message : null
  }

  #step(by) {
    const all = [...this.element.querySelectorAll("article[data-seq]")]
    const at = this.#message?.isConnected && document.activeElement?.closest("article") === this.#message ? all.indexOf(this.#message) : by > 0 ? -1 : all.length
    const next = at < 0 && by > 0 ? this.#nearest(all) : all[at + by]
    if (!next) return
    this.#activate(next)
    next.focus({ preventScroll: true })
    next.scrollIntoView({ block: "nearest" })
  }

  #nearest(all) {
    const top = this.element.getBoundingClientRect().top
    return all.find((one) => one.getBoundingClientRect().bottom > top + 60) ?? all.at(-1)
  }

  #activate(message) {
    if (this.#message !== message) {
      if (this.#message) this.#message.tabIndex = -1
      message.tabIndex = 0
    }
    this.#show(message)
  }

  #show(message) {
    if (!message || message === this.#message && this.#bar?.parentElement === message) return
    if (message.dataset.kind === "system" || "deleted" in message.dataset) return this.#bar?.remove()
    if (this.element.querySelector(".editor")?.closest("article") === this.#message) return
    this.#message = message
    this.#bar ??= this.templateTarget.content.firstElementChild.cloneNode(true)
    message.append(this.#bar)
  }

  #openSheet(message) {
    this.#message = message
    this.sheetTarget.toggleAttribute("data-mine", "mine" in message.dataset)
    if (!this.sheetTarget.open) this.sheetTarget.showModal()
  }

  #close(form) {
    const message = form.closest("article")
    form.remove()
    message.focus({ preventScroll: true })
  }

  // What was typed, not what it looks like: the page holds only the rendered text.
  async #source(message) {
    try {
      const thread = message.dataset.thread
      const { ok, data } = await request("GET", `/api/threads/${thread}/messages?around=${message.dataset.seq}&limit=1`)
      return (ok && data.messages.find(({ id }) => id === this.#id(message))?.row.content) ?? null
    } catch (error) {
      if (!(error instanceof Offline)) throw error
      toast("The server does not answer.")
      return null
    }
  }

  async #ask(method, message, body) {
    try {
      return await request(method, `/api/messages/${this.#id(message)}`, { body })
    } catch (error) {
      if (!(error instanceof Offline)) throw error
      return null
    }
  }

  #id(message) { return message.id.replace("message_", "") }
}
