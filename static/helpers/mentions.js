// Who a text that is being written calls: the names after an @, as the server finds them.
import { allAgents, allPeople } from "./roster.js"

const CODE = /```[^]*?(```|$)|`[^`]*`/g
const NAME = /(?<![\p{L}\p{N}_@/.])@([a-z][a-z0-9_-]{0,31})/gu

// [{name, open}]: an open one stands at the end, and may still become longer.
export const mentions = (text) => [...text.replace(CODE, " ").matchAll(NAME)].map(({ 0: { length }, 1: name, index, input }) => ({
  name: name.replace(/[-_]+$/, ""), open: index + length === input.length,
}))

export function isNobody({ name, open }) {
  const all = ["all", ...allAgents().map(({ key }) => key), ...allPeople().map(({ handle }) => handle)]
  return !all.some((known) => (open ? known.startsWith(name) : known === name))
}
