import { Controller } from "@hotwired/stimulus"
import { Offline, reason, request } from "../helpers/api.js"
import { toast } from "../helpers/dom.js"
import { clearMarks, mark } from "../helpers/fields.js"
import { newId } from "../helpers/outbox.js"

// A form that is sent as JSON; what is wrong is said at the field. What got no answer is sent again under the same key,
// as long as it says the same: the server does it once.
export default class extends Controller {
  static targets = ["error"]
  static values = { url: String, method: { type: String, default: "POST" }, done: String }

  #sent = {}

  async send(event) {
    event.preventDefault()
    const button = this.element.querySelector("button:not([type=button])")
    button.disabled = true
    this.errorTarget.hidden = true
    clearMarks(this.element)
    try {
      const body = this.#body()
      const answer = await request(this.methodValue, this.urlValue, { body, key: this.#key(body) })
      if (answer.ok) this.#done(answer)
      else this.#refused(answer)
    } catch (error) {
      if (!(error instanceof Offline)) throw error
      this.#say("The server does not answer. Send it again: nothing is done twice.")
    } finally {
      button.disabled = false
    }
  }

  #done({ data, replayed }) {
    this.#sent = {}
    if (this.methodValue === "POST") this.element.reset()
    for (const area of this.element.querySelectorAll("textarea")) area.defaultValue = area.value
    this.element.closest("[popover]")?.hidePopover()
    this.element.closest("details[open]")?.removeAttribute("open")
    // What is shown here changes now: no part that holds the focus is taken over (controllers/refresh_controller.js).
    if (this.element.contains(document.activeElement)) this.element.closest("[tabindex]")?.focus()
    const waits = data.mode === "backup" ? ". It waits until the executor is back." : ""
    toast(replayed ? `${this.doneValue} when you sent it first` : `${this.doneValue}${waits}`)
  }

  #key(body) {
    const said = `${this.urlValue} ${JSON.stringify(body)}`
    if (this.#sent.said !== said) this.#sent = { said, key: newId() }
    return this.#sent.key
  }

  #body() {
    const given = [...new FormData(this.element)]
    if (!given.length) return undefined
    const body = {}
    for (const [name, value] of given) set(body, name.split("."), this.#isMeant(name) ? value : "")
    return body
  }

  // What was filled in for a choice that was then not made is hidden, and goes empty.
  #isMeant(name) {
    return this.element.querySelector(`[name="${name}"]`)?.closest("[data-for]")?.checkVisibility() ?? true
  }

  #refused(answer) {
    const named = Object.entries(answer.data.error?.fields ?? {}).filter(([name]) => this.element.elements[name])
    if (!named.length) return this.#say(reason(answer))
    for (const [name, sentences] of named) mark(this.element.elements[name], [sentences].flat().join(", "))
    this.element.elements[named[0][0]].focus()
  }

  #say(words) {
    this.errorTarget.textContent = words
    this.errorTarget.hidden = false
  }
}

// A field inside a part of the body has the part's name before a dot; what is left empty there is null.
function set(body, [first, ...rest], value) {
  if (rest.length) set(body[first] ??= {}, rest, value || null)
  else body[first] = value
}
