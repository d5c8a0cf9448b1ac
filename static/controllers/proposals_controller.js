import { Controller } from "@hotwired/stimulus"
import { connection } from "../socket.js"
import { ask } from "../helpers/ask.js"
import { Offline, page, reason, request } from "../helpers/api.js"
import { morph, parse, sentence, somethingOpen, toast, typingIn } from "../helpers/dom.js"
import { clearMarks, mark } from "../helpers/fields.js"
import { paramsOf } from "../helpers/params.js"
import { agentName, fillNames } from "../helpers/roster.js"
import { fillTimes } from "../helpers/times.js"

const SEEN = "May be left empty. Everybody who sees the card reads it."
const VERBS = {
  approve: { title: "Approve this?", button: "Approve", busy: "Approving…", path: "/approve", named: true },
  reject: { title: "Reject this?", button: "Reject", busy: "Rejecting…", path: "/reject", says: "reason", asks: (agent) => `What should ${agent} do instead?` },
  edit: { title: "Edit what is proposed", button: "Save", busy: "Saving…", path: "", method: "PATCH" },
  retry: { title: "Try this again?", button: "Try again", busy: "Asking…", path: "/retry", named: true },
  done: { title: "It happened", button: "Mark as done", busy: "Saving…", path: "/settle", outcome: "executed", says: "note", asks: () => "What did you see?" },
  failed: { title: "It did not happen", button: "Mark as failed", busy: "Saving…", path: "/settle", outcome: "failed", says: "note", asks: () => "What did you see?" },
}
const KEYS = { a: "approve", x: "reject", e: "edit" }
const RISKS = { low: "Low risk", med: "Medium risk", high: "High risk" }
const AWAY = "The server does not answer. If it heard this, the card will say so."

// Deciding: the card opens a dialog, the dialog sends the digest that was on screen, and the card changes when the
// server says so. Nothing is shown as decided before.
export default class extends Controller {
  static targets = ["dialog", "form", "title", "facts", "field", "edit", "error", "digest", "cancel", "confirm"]

  #card = null
  #verb = null
  #digest = ""
  #busy = false
  #over = false

  connect() { connection.addEventListener("changes", this.#changes) }

  disconnect() { connection.removeEventListener("changes", this.#changes) }

  open({ params, currentTarget }) { this.#open(currentTarget.closest(".approval"), params.verb) }

  // A letter presses the button of the card that has the focus, if it is there for me now.
  press(event) {
    const verb = KEYS[event.key]
    if (!verb || event.defaultPrevented || event.metaKey || event.ctrlKey || event.altKey) return
    if (typingIn(event.target) || somethingOpen()) return
    const focused = document.activeElement
    const card = focused?.closest(".approval") ?? focused?.closest("article[data-seq]")?.querySelector(".approval")
    const button = card?.querySelector(`[data-proposals-verb-param="${verb}"]`)
    if (!button?.checkVisibility()) return
    event.preventDefault()
    if (!button.disabled) this.#open(card, verb)
    else if (verb === "approve") card.querySelector("[data-unread]")?.focus()
  }

  later({ currentTarget: button }) { ask(button, `${this.#address(button.closest(".approval"))}/later`) }

  again({ currentTarget: button }) { ask(button, `${this.#address(button.closest(".approval"))}/later`, "DELETE") }

  cancel() { this.dialogTarget.close() }

  closed() {
    this.editTarget.replaceChildren()
    this.#card = null
  }

  typed() { if (this.#card) this.#enable() }

  // A reason is sent as a message is: Enter sends, Shift Enter begins a new line.
  key(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.target.name !== "words") return
    event.preventDefault()
    this.formTarget.requestSubmit()
  }

  async send(event) {
    event.preventDefault()
    if (this.confirmTarget.disabled) return
    this.#clear()
    const body = this.#body()
    if (!body) return
    const card = this.#card
    this.#working(true)
    try {
      if (!(await this.#confirmed()) || this.#card !== card) return
      const answer = await request(this.#verb.method ?? "POST", this.#address() + this.#verb.path, { body })
      if (this.#card === card) this.#answered(answer)
      else if (!answer.ok) toast(reason(answer)) // the dialog was closed while it was on its way
    } catch (error) {
      if (!(error instanceof Offline)) throw error
      this.#say(AWAY)
    } finally {
      this.#working(false)
    }
  }

  async #open(card, name) {
    this.#card = card
    this.#verb = VERBS[name]
    this.#digest = card.dataset.digest
    this.#busy = this.#over = false
    this.#fill()
    if (name === "edit" && !(await this.#fetchFields())) return
    this.dialogTarget.showModal()
    this.#enable()
    const first = [...this.formTarget.querySelectorAll("input, textarea, select")].find((field) => field.checkVisibility())
    const start = first ?? this.confirmTarget
    start.focus()
  }

  #fill() {
    const { riskLevel, object, proposer } = this.#card.dataset
    const { title, button, named, asks } = this.#verb
    this.formTarget.reset()
    this.#clear()
    this.titleTarget.textContent = title
    const [headline, effect] = this.factsTarget.children
    headline.textContent = document.getElementById(`${this.#card.id}_title`).textContent
    effect.textContent = this.#card.querySelector(".effect > .says").textContent
    const risk = this.dialogTarget.querySelector(".risk")
    risk.dataset.risk = riskLevel
    risk.lastElementChild.textContent = RISKS[riskLevel]
    this.#field("name", named && riskLevel === "high").querySelector("code").textContent = object
    const words = this.#field("words", Boolean(asks))
    words.querySelector("label").textContent = asks ? asks(agentName(proposer)) : ""
    words.querySelector(".hint").textContent = SEEN
    this.#field("password", false)
    this.digestTarget.textContent = `${this.#digest.slice(0, 4)}…${this.#digest.slice(-4)}`
    this.cancelTarget.textContent = "Cancel"
    this.confirmTarget.textContent = button
    this.confirmTarget.hidden = false
  }

  #field(name, shown) {
    const field = this.fieldTargets.find(({ dataset: { of } }) => of === name)
    field.hidden = !shown
    return field
  }

  // The fields as they are now: made by the server from what the action declares.
  async #fetchFields() {
    const card = this.#card
    try {
      const { ok, html } = await page(`/proposals/${card.id.replace("proposal_", "")}/form`)
      if (this.#card !== card || this.#verb !== VERBS.edit || !this.element.isConnected) return false // something else was opened
      const fields = ok && parse(html)
      if (fields?.dataset.digest === this.#digest) {
        this.editTarget.replaceChildren(fields)
        return true
      }
      toast("This changed: look at it again.")
    } catch (error) {
      if (!(error instanceof Offline)) throw error
      toast("The server does not answer.")
    }
    return false
  }

  #body() {
    const { named, says, outcome, path } = this.#verb
    const { name, words } = this.formTarget.elements
    const body = { digest: this.#digest }
    if (named && this.#card.dataset.riskLevel === "high") body.name = name.value
    if (says) body[says] = words.value
    if (outcome) body.outcome = outcome
    if (path) return body
    const params = paramsOf(this.editTarget.firstElementChild, (field, wrong) => this.#mark(field, wrong))
    return params && { ...body, params }
  }

  // Asked for in place when the server wants a fresh sign-in; what was typed before stays.
  async #confirmed() {
    const { password } = this.formTarget.elements
    const field = password.closest(".field")
    if (field.hidden) return true
    const answer = await request("POST", "/api/me/confirm", { body: { password: password.value } })
    password.value = ""
    field.hidden = answer.ok
    if (!answer.ok) this.#mark(password, reason(answer))
    return answer.ok
  }

  #answered(answer) {
    const { ok, status, data } = answer
    if (ok) return this.#done()
    if (status === 409) return this.#end(reason(answer))
    if (data.error?.code === "reauthenticate") {
      this.#field("password", true)
      return this.formTarget.elements.password.focus()
    }
    const named = Object.entries(data.error?.fields ?? {}).filter(([name]) => this.#input(name)?.checkVisibility())
    if (!named.length) this.#say(reason(answer))
    for (const [name, wrong] of named.reverse()) this.#mark(this.#input(name), [wrong].flat().join(", "))
  }

  // A map is one field: what is wrong with an entry is said beneath it.
  #input(name) {
    const { elements } = this.formTarget
    return elements[name] ?? elements[name.split(".").slice(0, 2).join(".")]
  }

  #done() {
    const card = this.#card
    this.dialogTarget.close()
    card.focus({ preventScroll: true })
  }

  // Somebody was first, or it is not what was looked at: there is nothing left to confirm here.
  #end(words) {
    this.#over = true
    this.#say(words)
    this.cancelTarget.textContent = "Close"
    this.confirmTarget.hidden = true
    this.cancelTarget.focus()
  }

  #working(busy) {
    this.#busy = busy
    this.confirmTarget.setAttribute("aria-busy", String(busy))
    if (!this.#verb || !this.#card) return
    this.confirmTarget.textContent = busy ? this.#verb.busy : this.#verb.button
    this.#enable()
  }

  #enable() {
    const offline = document.documentElement.dataset.mode === "offline"
    const { name } = this.formTarget.elements
    const meant = name.closest(".field").hidden || name.value === this.#card.dataset.object
    this.confirmTarget.disabled = this.#busy || this.#over || offline || !meant
    this.confirmTarget.title = offline ? "The server does not answer" : ""
  }

  #mark(field, words) {
    mark(field, words)
    field.focus()
  }

  #say(words) {
    this.errorTarget.textContent = sentence(words)
    this.errorTarget.hidden = false
  }

  #clear() {
    clearMarks(this.formTarget)
    this.errorTarget.hidden = true
  }

  #address(card = this.#card) { return `/api/proposals/${card.id.replace("proposal_", "")}` }

  // A card that stands in a message changes with it; every other one changes here.
  #changes = ({ detail: { items } }) => {
    for (const { table, id, html } of items) {
      if (table !== "proposals" || !html) continue
      const card = document.getElementById(`proposal_${id}`)
      const fresh = parse(html)
      if (card && card === this.#card && this.dialogTarget.open && !this.#busy && !this.#over) this.#meanwhile(card, fresh)
      if (card && !card.closest("article[data-seq]")) morph(card, fresh)
    }
  }

  #meanwhile({ dataset: { state } }, fresh) {
    if (fresh.dataset.digest !== this.#digest) return this.#end("This changed after you opened it. Look at all of it again.")
    if (fresh.dataset.state === state) return
    fillNames(fresh)
    fillTimes(fresh)
    this.#end(fresh.querySelector(".rest")?.textContent.trim().replace(/\s+/g, " ") ?? "This is no longer what it was.")
  }
}
