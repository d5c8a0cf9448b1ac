import { Controller } from "@hotwired/stimulus"
import { Offline, reason, request } from "../helpers/api.js"
import { sentence, somethingOpen, toast, typingIn } from "../helpers/dom.js"

const AT_ONCE = 100

// The list or board of tasks: going through it by key, and what is done with all that are selected. What is selected, and
// where the focus is, stays when the list is fetched again.
export default class extends Controller {
  static targets = ["search", "bar", "all", "form", "count", "error"]
  static values = { url: String }

  #chosen = new Set()
  #entered = null

  connect() { this.#show() }

  press(event) {
    if (event.defaultPrevented || event.metaKey || event.ctrlKey || event.altKey || somethingOpen()) return
    if (typingIn(event.target) && event.target.type !== "checkbox") return
    const run = { "/": () => this.#search(), j: () => this.#step(1), k: () => this.#step(-1), x: () => this.#toggle(), ...this.#arrows() }[event.key]
    if (!run) return
    event.preventDefault()
    run()
  }

  entered({ target }) { this.#entered = target.closest("[data-task]") && target.id }

  // A row that went to another group took the focus with it, and lost it.
  refreshed() {
    this.#show()
    if (document.activeElement === document.body && this.#entered) document.getElementById(this.#entered)?.focus({ preventScroll: true })
  }

  choose({ target }) {
    this.#choose(target.value, target.checked)
    this.#show()
  }

  all({ target }) {
    for (const { value } of this.#boxes) this.#choose(value, target.checked)
    this.#show()
  }

  clear() {
    this.#chosen.clear()
    this.#show()
    this.allTarget.focus()
  }

  what() {
    const { what, tag } = this.formTarget.elements
    tag.hidden = tag.disabled = what.value !== "tag:"
    tag.required = !tag.hidden
  }

  async apply(event) {
    event.preventDefault()
    const [change, ids, button] = [this.#change(), [...this.#chosen], this.formTarget.querySelector(".btn")]
    button.disabled = true
    this.#say([])
    try {
      for (let first = 0; first < ids.length; first += AT_ONCE) {
        if (!await this.#send({ ids: ids.slice(first, first + AT_ONCE), ...change })) break
      }
    } catch (error) {
      if (!(error instanceof Offline)) throw error
      this.#say(["The server does not answer. What was not changed yet is still selected."])
    } finally {
      button.disabled = false
    }
    this.#show()
  }

  // What was changed is selected no more; what could not be changed is named. False when nothing was.
  async #send(body) {
    const answer = await request("POST", this.urlValue, { body })
    if (!answer.ok) {
      this.#say([sentence(reason(answer))])
      return false
    }
    const done = answer.data.results.filter(({ error }) => !error)
    for (const { id } of done) this.#chosen.delete(id)
    const wrong = answer.data.results.filter(({ error }) => error)
    this.#say(wrong.map(({ number, error }) => `Task ${number ?? "of another project"}: ${sentence(reason({ data: { error } }))}`))
    if (done.length) toast(`${done.length} task${done.length === 1 ? " was" : "s were"} changed`)
    return true
  }

  #change() {
    const [what, value] = this.formTarget.elements.what.value.split(":")
    if (what === "cancel") return { cancel: true }
    if (what === "tag") return { add_tags: [this.formTarget.elements.tag.value] }
    return what === "agent" ? { assignee_agent_key: value } : { priority: value }
  }

  #say(lines) {
    this.errorTarget.replaceChildren(...lines.map((line) => Object.assign(document.createElement("li"), { textContent: line })))
    this.errorTarget.hidden = !lines.length
  }

  get #items() { return [...this.element.querySelectorAll("[data-task]")] }
  get #boxes() { return [...this.element.querySelectorAll(".pick input")] }
  get #here() { return document.activeElement?.closest("[data-task]") }

  #show() {
    const boxes = this.#boxes
    const shown = new Set(boxes.map(({ value }) => value))
    for (const id of this.#chosen) if (!shown.has(id)) this.#chosen.delete(id)
    for (const box of boxes) box.checked = this.#chosen.has(box.value)
    const { size } = this.#chosen
    this.barTarget.hidden = !boxes.length && this.errorTarget.hidden
    this.allTarget.checked = size > 0 && size === boxes.length
    this.allTarget.indeterminate = size > 0 && size < boxes.length
    this.formTarget.hidden = !size
    this.countTarget.textContent = size ? `${size} selected` : ""
    this.what()
  }

  #choose(id, on) {
    if (on) this.#chosen.add(id)
    else this.#chosen.delete(id)
  }

  #search() {
    this.searchTarget.focus()
    this.searchTarget.select()
  }

  // Elsewhere the arrows scroll.
  #arrows() {
    if (!this.#here) return {}
    const arrows = { ArrowDown: () => this.#step(1), ArrowUp: () => this.#step(-1) }
    return this.#here.closest(".board") ? { ...arrows, ArrowRight: () => this.#aside(1), ArrowLeft: () => this.#aside(-1) } : arrows
  }

  #step(by) {
    const items = this.#items
    const here = items.indexOf(this.#here)
    this.#enter(here < 0 ? items[by > 0 ? 0 : items.length - 1] : items[here + by])
  }

  // The card at the same height of the next column that has any.
  #aside(by) {
    const columns = [...this.element.querySelectorAll(".board ul")]
    const column = this.#here.parentElement
    const next = columns[columns.indexOf(column) + by]?.children
    if (next) this.#enter(next[Math.min([...column.children].indexOf(this.#here), next.length - 1)])
  }

  #enter(item) {
    const link = item?.querySelector("a")
    link?.focus({ preventScroll: true })
    item?.scrollIntoView({ block: "nearest", inline: "nearest" })
  }

  #toggle() { this.#here?.querySelector(".pick input")?.click() }
}
