import { Controller } from "@hotwired/stimulus"
import { visit } from "@hotwired/turbo"
import { debounce, sibling } from "../helpers/dom.js"

const KEYS = ["Digit1", "Digit2"]
const SETTLED_MS = 120

// Two conversations side by side: which agent each shows, and which of the two is meant.
export default class extends Controller {
  static targets = ["link", "pane", "strip"]

  swiped = debounce(() => this.#settled(), SETTLED_MS)

  connect() {
    this.#mean(this.#meant ?? this.paneTargets[0])
  }

  disconnect() { this.swiped.cancel() }

  press(event) {
    const pane = event.altKey && !event.ctrlKey && !event.metaKey && this.paneTargets[KEYS.indexOf(event.code)]
    if (!pane) return
    event.preventDefault()
    this.#enter(pane)
  }

  entered({ target }) {
    const pane = target.closest(".pane")
    if (pane) this.#mean(pane)
  }

  // An agent that is shown already is gone to; another one takes the place of the conversation that is meant.
  open(event) {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return
    event.preventDefault()
    const { currentTarget: link } = event
    const key = link.dataset.agentRow
    const shown = this.paneTargets.find((pane) => agentIn(pane) === key)
    if (shown) this.#enter(shown)
    else this.#show(link.closest(".pane") ?? this.#meant, key)
  }

  close({ currentTarget }) { this.#show(currentTarget.closest(".pane"), "") }

  // A pane that changed; Turbo has made its address that of the page.
  loaded({ target: pane }) {
    sibling(this, "presence").show()
    this.#enter(pane)
  }

  missing(event) {
    event.preventDefault()
    event.detail.visit(event.detail.response)
  }

  mark() {
    const shown = this.paneTargets.map(agentIn)
    const meant = this.#meant && agentIn(this.#meant)
    for (const link of this.linkTargets) {
      const { agentRow: key } = link.dataset
      if (shown.includes(key)) link.setAttribute("aria-current", "true")
      else link.removeAttribute("aria-current")
      link.toggleAttribute("data-meant", key === meant)
    }
  }

  get #meant() { return this.paneTargets.find(({ dataset }) => "current" in dataset) }

  #mean(pane) {
    for (const each of this.paneTargets) each.toggleAttribute("data-current", each === pane)
    this.mark()
  }

  #enter(pane) {
    this.#mean(pane)
    const { left } = pane.getBoundingClientRect()
    this.stripTarget.scrollBy({ left: left - this.stripTarget.getBoundingClientRect().left })
    // Where there is no keyboard, the focus would bring one up.
    const field = pane.querySelector(".composer textarea") ?? pane.querySelector("a")
    if (matchMedia("(hover: hover)").matches) field?.focus({ preventScroll: true })
  }

  #show(pane, key) {
    const address = new URL(location.pathname, location.origin)
    for (const each of this.paneTargets) address.searchParams.set(each.dataset.side, each === pane ? key : agentIn(each))
    visit(address.href, { frame: pane.id, action: "advance" })
  }

  // On a phone the conversation that fills the screen is meant.
  #settled() {
    const { scrollLeft, clientWidth } = this.stripTarget
    this.#mean(this.paneTargets[Math.round(scrollLeft / clientWidth)])
    this.dispatch("moved", { target: window })
  }
}

const agentIn = (pane) => pane.querySelector(":scope > [data-agent-row]")?.dataset.agentRow ?? ""
