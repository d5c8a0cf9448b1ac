// Who people and agents are. Partials carry keys only; the page has one roster, and names are filled in from it.
const people = new Map()
const agents = new Map()
const handles = new Map()

export function readRoster(root = document) {
  const source = root.getElementById("roster")
  if (!source) return
  const roster = JSON.parse(source.textContent)
  for (const map of [people, agents, handles]) map.clear()
  for (const person of roster.people) people.set(person.id, person)
  for (const agent of roster.agents) agents.set(agent.key, agent)
  for (const person of roster.people) handles.set(person.handle, person)
}

export const me = () => people.get(document.body.dataset.me)
export const agent = (key) => agents.get(key)
export const agentById = (id) => [...agents.values()].find((one) => one.id === id)
export const setStatus = (key, status) => { if (agents.has(key)) agents.get(key).status = status }
export const allAgents = () => [...agents.values()]
export const allPeople = () => [...people.values()].filter(({ active }) => active)

export const agentName = (key) => agents.get(key)?.name ?? key
export const personName = (id) => people.get(id)?.name ?? "Somebody"

export function nameOf(author) {
  const [kind, key] = split(author)
  return kind === "agent" ? agentName(key) : kind === "person" ? personName(key) : "Team Room"
}

function split(author) {
  const at = author.indexOf(":")
  return at < 0 ? [author, ""] : [author.slice(0, at), author.slice(at + 1)]
}

export function fillNames(root) {
  for (const element of matching(root, "[data-fill]")) fillOne(element)
  for (const element of matching(root, ".mention[data-mention]")) fillMention(element)
}

function matching(root, selector) {
  const inside = [...root.querySelectorAll(selector)]
  return root.matches?.(selector) ? [root, ...inside] : inside
}

function fillOne(element) {
  const { fill, agent: key, user } = element.dataset
  const who = key ? agents.get(key) : people.get(user)
  if (key && who?.tone) element.dataset.who = who.tone
  if (fill === "name") say(element, who?.name ?? key ?? "Somebody")
  else if (fill === "title") say(element, who?.title ?? "")
  else if (fill === "runtime") element.dataset.runtime = who?.runtime ?? ""
  else if (fill === "initials") say(element, key ? initial(who?.name ?? key) : who?.avatar ?? "?")
}

function fillMention(element) {
  const name = element.dataset.mention
  const who = agents.get(name) ?? handles.get(name)
  if (who) say(element, `@${who.name}`)
  element.toggleAttribute("data-me", Boolean(who) && who === me())
}

const initial = (name) => [...name][0]?.toUpperCase() ?? "?"

function say(element, text) {
  if (element.textContent !== text) element.textContent = text
}
