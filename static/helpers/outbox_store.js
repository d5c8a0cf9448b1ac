// Where the outbox keeps what waits: IndexedDB, which survives a reload and a closed browser. Each row is one person's.
const NAME = "team-room"
const ROWS = "outbox"

export async function openStore() {
  if (!globalThis.indexedDB) return new Memory()
  try {
    const store = new Stored()
    await store.database()
    return store
  } catch (error) {
    if (error instanceof DOMException) return new Memory()
    throw error
  }
}

function open() {
  const request = indexedDB.open(NAME, 1)
  request.onupgradeneeded = () =>
    request.result.createObjectStore(ROWS, { keyPath: "id", autoIncrement: true }).createIndex("user", "user")
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}

class Stored {
  durable = true
  #opened = null

  // Opened again after somebody cleared the site's data.
  database() {
    return (this.#opened ??= open().then((database) => {
      database.onclose = () => (this.#opened = null)
      return database
    }))
  }

  // Answers the row's id; ids are the order in which things were done, over all tabs.
  add(row) { return this.#run("readwrite", (rows) => rows.add(row)) }

  // One person's rows in that order.
  of(user) { return this.#run("readonly", (rows) => rows.index("user").getAll(user)) }

  // A row that was taken out meanwhile, here or in another tab, does not come back.
  change(id, values) {
    return this.#run("readwrite", (rows) => {
      const found = rows.get(id)
      found.onsuccess = () => found.result && rows.put({ ...found.result, ...values })
      return found
    })
  }

  remove(id) { return this.#run("readwrite", (rows) => rows.delete(id)) }

  // Done when the transaction is: a request that succeeded may still be undone.
  async #run(mode, work) {
    const database = await this.database()
    return new Promise((resolve, reject) => {
      const transaction = database.transaction(ROWS, mode)
      const request = work(transaction.objectStore(ROWS))
      transaction.oncomplete = () => resolve(request.result)
      transaction.onabort = () => reject(transaction.error)
    })
  }
}

// For a browser that keeps nothing: as long as the page is open.
export class Memory {
  durable = false
  #rows = new Map()
  #last = 0

  async add(row) {
    this.#rows.set(++this.#last, { ...row, id: this.#last })
    return this.#last
  }

  async of(user) { return [...this.#rows.values()].filter((row) => row.user === user).map((row) => ({ ...row })) }

  async change(id, values) { Object.assign(this.#rows.get(id) ?? {}, values) }

  async remove(id) { this.#rows.delete(id) }
}
