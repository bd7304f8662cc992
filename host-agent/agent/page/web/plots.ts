/** The device's last day as plots; loaded only where somebody looks at them, with uPlot. */
import { html, type TemplateResult } from 'lit-html'
import uPlot from 'uplot'
import type { HealthSample } from '../api.ts'
import { language, numberOf, words } from './words/words.ts'

interface Plot {
  id: string
  title(): string
  read(sample: HealthSample): number | null
  text(value: number): string
}

const PLOTS: readonly Plot[] = [
  {
    id: 'temperature',
    title: () => words.admin.temperature,
    read: ({ temperature }) => temperature,
    text: value => `${numberOf(value, 1)} °C`,
  },
  {
    id: 'load',
    title: () => words.admin.load,
    read: ({ load }) => load,
    text: value => `${numberOf(value)} %`,
  },
  {
    id: 'memory',
    title: () => words.admin.memory,
    read: ({ memoryAvailable }) => memoryAvailable / 1e6,
    text: value => `${numberOf(value)} MB`,
  },
  { id: 'log', title: () => words.admin.log, read: ({ logSize }) => logSize, text: value => numberOf(value) },
]

const HEIGHT = 150
let drawn: uPlot[] = []
let watcher: ResizeObserver | null = null
let last: readonly HealthSample[] = []

const valuesOf = ({ read }: Plot, history: readonly HealthSample[]) =>
  history.map(read).filter(value => value !== null)

/** Where they go: each with its figures in words. */
export function plotFrames(history: readonly HealthSample[]): TemplateResult[] {
  return PLOTS.filter(plot => valuesOf(plot, history).length > 1).map(plot => {
    const values = valuesOf(plot, history)
    const [least, most, now] = [Math.min(...values), Math.max(...values), values.at(-1)!].map(plot.text)
    return html`<figure>
      <figcaption><span class="strong">${plot.title()}</span> <span class="quiet">${words.admin.plotSummary(least!, most!, now!)}</span></figcaption>
      <div class="plot" data-plot=${plot.id} aria-hidden="true"></div>
    </figure>`
  })
}

export function removePlots(): void {
  for (const plot of drawn) plot.destroy()
  drawn = []
  watcher?.disconnect()
}

/** Draws into {@link plotFrames}, which are there. */
export function drawPlots(history: readonly HealthSample[]): void {
  removePlots()
  last = history
  const style = getComputedStyle(document.body)
  const [ink, line, accent] = ['--quiet', '--line', '--accent'].map(name =>
    colourOf(style.getPropertyValue(name)),
  )
  const axis = {
    stroke: ink!,
    grid: { stroke: line!, width: 1 },
    ticks: { show: false },
    font: '12px system-ui',
  }
  const clock = new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit' })
  for (const plot of PLOTS) {
    const place = document.querySelector<HTMLElement>(`[data-plot=${plot.id}]`)
    if (!place) continue
    const options: uPlot.Options = {
      width: Math.max(200, place.clientWidth),
      height: HEIGHT,
      legend: { show: false },
      cursor: { show: false },
      scales: { y: { range: (_, least, most) => [Math.min(0, least), most > 0 ? most * 1.15 : 1] } },
      axes: [
        { ...axis, space: 70, values: (_, times) => times.map(time => clock.format(time * 1000)) },
        { ...axis, size: 70, values: (_, values) => values.map(plot.text) },
      ],
      series: [{}, { stroke: accent!, width: 2, points: { show: false } }],
    }
    drawn.push(new uPlot(options, [history.map(({ time }) => time / 1000), history.map(plot.read)], place))
  }
  watcher = new ResizeObserver(() => {
    for (const plot of drawn) {
      const width = plot.root.parentElement?.clientWidth ?? 0
      if (width > 0 && width !== plot.width) plot.setSize({ width, height: HEIGHT })
    }
  })
  for (const { root } of drawn) if (root.parentElement) watcher.observe(root.parentElement)
}

/** A canvas knows no `light-dark()`: the browser is asked what it is now. */
function colourOf(value: string): string {
  const probe = document.createElement('span')
  probe.style.color = value
  document.body.append(probe)
  const { color } = getComputedStyle(probe)
  probe.remove()
  return color
}

/** A canvas keeps the colours that it was drawn with. */
const recolour = () => {
  if (drawn.length > 0) drawPlots(last)
}
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', recolour)
new MutationObserver(recolour).observe(document.documentElement, { attributeFilter: ['data-theme'] })
