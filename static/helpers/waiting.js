// What waits for this person, a decision or the word that agents go on, and what he put aside: read once from the page, then kept by the streams.
// The badge, the rail and notifications all ask here, so that each of them counts the same rows.
import { connection } from "../socket.js"

const since = (row) => row.proposed_at ?? row.paused_at ?? row.waits_since
const older = (one, other) => since(one).localeCompare(since(other)) || one.id.localeCompare(other.id)

class Waiting extends EventTarget {
  #source = null
  #rows = new Map()
  #folds = new Map()

  constructor() {
    super()
    connection.addEventListener("changes", ({ detail: { items } }) => this.#changed(items))
  }

  // {id, headline, risk_level, proposed_by, proposed_at}, of a pause {id, paused_at}, of a task {id, number, title, waits_since}; oldest first.
  get rows() {
    this.#read()
    return [...this.#rows.values()].sort(older)
  }

  folded(proposal) {
    this.#read()
    return [...this.#folds.values()].includes(proposal)
  }

  // Another page brings its own; one for somebody who decides nothing brings none.
  #read() {
    const source = document.getElementById("waiting")
    if (source === this.#source) return
    this.#source = source
    const { rows, folds } = source ? JSON.parse(source.textContent) : { rows: [], folds: {} }
    this.#rows = new Map(rows.map((row) => [row.id, row]))
    this.#folds = new Map(Object.entries(folds))
  }

  #changed(items) {
    this.#read()
    if (!this.#source) return
    const project = document.querySelector('meta[name="project"]')?.content
    const ours = items.filter(({ table, row }) => table in NOTES && (!row || row.project_id === project))
    if (!ours.length) return
    const before = new Set(this.#rows.keys())
    for (const item of ours) NOTES[item.table](item, this.#rows, this.#folds)
    const arrived = [...this.#rows.values()].filter(({ id }) => !before.has(id))
    this.dispatchEvent(new CustomEvent("change", { detail: { arrived } }))
  }
}

const NOTES = {
  proposals({ id, row }, rows) {
    if (row?.waits) rows.set(id, row)
    else rows.delete(id)
  },
  project_chat_threads({ id, row }, rows) {
    if (row?.paused_at && row.kind === "room") rows.set(id, row)
    else rows.delete(id)
  },
  tasks({ id, row }, rows) {
    if (row?.waits_since) rows.set(id, row)
    else rows.delete(id)
  },
  proposal_folds({ id, row }, rows, folds) {
    if (row) folds.set(id, row.proposal_id)
    else folds.delete(id)
  },
}

export const waiting = new Waiting()
