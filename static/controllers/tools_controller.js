import { Controller } from "@hotwired/stimulus"
import { ask } from "../helpers/ask.js"
import { copyText, isMeant, sibling, somethingOpen, typingIn } from "../helpers/dom.js"
import { deliveryOf, idOf, isActive, isMine, said } from "../helpers/message.js"

const LONG_PRESS_MS = 450
const BELOW_TOP = 60

// Which message is meant, and what can be done with it: by its tools, by key, or on touch by a sheet.
export default class extends Controller {
  static targets = ["template", "sheet"]
  static values = { path: String }

  #message = null
  #bar
  #press
  #beside = false

  disconnect() { clearTimeout(this.#press) }

  // The message that is meant; asking for it closes the sheet.
  chosen() {
    this.sheetTarget.close()
    return this.#message?.isConnected ? this.#message : null
  }

  hover({ target }) { this.#show(target.closest("article[data-seq]")) }

  focus({ target }) { this.#activate(target.closest("article[data-seq]")) }

  touch({ target }) {
    const message = target.closest("article[data-seq]")
    if (message && !target.closest("a, button, summary")) this.#press = setTimeout(() => this.#openSheet(message), LONG_PRESS_MS)
  }

  // While the sheet is open only the press that opened it can still reach the messages: its end taps nothing.
  release(event) {
    clearTimeout(this.#press)
    if (this.sheetTarget.open) event.preventDefault()
  }

  context(event) {
    if (matchMedia("(hover: none)").matches && event.target.closest("article[data-seq]")) event.preventDefault()
  }

  // A tap beside the sheet hits the dialog itself; the end of the long press that opened it is no tap.
  aim({ target }) { this.#beside = target === this.sheetTarget }

  dismiss({ target }) {
    if (this.#beside && target === this.sheetTarget) this.sheetTarget.close()
    this.#beside = false
  }

  press(event) {
    if (event.defaultPrevented || event.metaKey || event.ctrlKey || event.altKey || somethingOpen() || !isMeant(this.element)) return
    if (event.key === "Escape") return this.dispatch("stop", { prefix: "room", detail: {} })
    if (typingIn(event.target)) return
    const run = {
      j: () => this.#step(1), k: () => this.#step(-1), r: () => this.reply(),
      e: () => sibling(this, "editor").open(), "+": () => sibling(this, "reactions").open(event),
    }[event.key]
    if (!run) return
    event.preventDefault()
    run()
  }

  reply() {
    const message = this.chosen()
    if (!message || !isActive(message)) return
    const { thread, author } = message.dataset
    this.dispatch("reply", { prefix: "room", detail: { id: idOf(message), thread, author, text: said(message) } })
  }

  copyText() { copyText(this.chosen()?.querySelector(".prose").innerText ?? "") }

  copyLink() {
    const message = this.chosen()
    if (!message) return
    const address = new URL(this.pathValue, location.origin)
    address.searchParams.set("around", message.dataset.seq)
    address.hash = message.id
    copyText(address.href)
  }

  // Another answer to the same message comes as a line of its own: others may have read this one.
  regenerate({ currentTarget: button }) {
    const message = this.chosen()
    if (message) ask(button, `/api/deliveries/${deliveryOf(message)}/regenerate`)
  }

  #step(by) {
    const all = [...this.element.querySelectorAll("article[data-seq]")]
    const here = all.indexOf(document.activeElement?.closest("article"))
    const next = here < 0 ? this.#inView(all, by) : all[here + by]
    if (!next) return
    this.#activate(next)
    next.focus({ preventScroll: true })
    next.scrollIntoView({ block: "nearest" })
  }

  #inView(all, by) {
    if (by < 0) return all.at(-1)
    const top = this.element.getBoundingClientRect().top + BELOW_TOP
    return all.find((one) => one.getBoundingClientRect().bottom > top) ?? all.at(-1)
  }

  // One message at a time is a stop of the Tab key.
  #activate(message) {
    if (!message) return
    for (const other of this.element.querySelectorAll('article[tabindex="0"]')) other.tabIndex = -1
    message.tabIndex = 0
    this.#show(message)
  }

  #show(message) {
    if (!message || this.#bar?.parentElement === message) return
    if (!isActive(message)) return this.#bar?.remove()
    if (this.#message?.querySelector(".editor")) return
    this.#message = message
    this.#bar ??= this.templateTarget.content.firstElementChild.cloneNode(true)
    this.#bar.toggleAttribute("data-answer", Boolean(deliveryOf(message)))
    message.append(this.#bar)
  }

  #openSheet(message) {
    this.#message = message
    this.sheetTarget.toggleAttribute("data-mine", isMine(message))
    this.sheetTarget.toggleAttribute("data-answer", Boolean(deliveryOf(message)))
    this.sheetTarget.toggleAttribute("data-other", "task" in message.dataset || "type" in message.dataset)
    if (!this.sheetTarget.open) this.sheetTarget.showModal()
  }
}
