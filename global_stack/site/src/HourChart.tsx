// Sales of each hour, today before yesterday. The canvas is for eyes; the same figures are a table for readers.
import { useEffect, useRef, useState } from "react";
import uPlot from "uplot";
import { count, money, shortMoney } from "./format.ts";
import { useWords } from "./parts.tsx";
import { onDeviceTheme, settings } from "./settings.ts";

const HOURS = Array.from({ length: 24 }, (_, hour) => hour);

export function HourChart(props: { today: number[]; yesterday: number[] | null; hour: number }) {
  const { words, language } = useWords();
  const { theme } = settings.use();
  const [deviceTheme, setDeviceTheme] = useState(0);
  const [pointed, setPointed] = useState<number | null>(null);
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const data: uPlot.AlignedData = [HOURS, props.yesterday ?? HOURS.map(() => null), props.today];
  const drawn = useRef(data);
  drawn.current = data;

  useEffect(() => onDeviceTheme(() => setDeviceTheme((before) => before + 1)), []);

  useEffect(() => {
    const box = place.current as HTMLDivElement;
    const style = getComputedStyle(document.documentElement);
    // A colour stands for light and dark at once; the canvas needs the one that is seen.
    const colour = (name: string) => {
      box.style.color = `var(${name})`;
      const seen = getComputedStyle(box).color;
      box.style.color = "";
      return seen;
    };
    const rem = parseFloat(style.fontSize);
    const axis: uPlot.Axis = {
      stroke: colour("--quiet"), font: `${Math.round(rem * 0.78)}px ${getComputedStyle(box).fontFamily}`, ticks: { show: false },
    };
    const bars = (name: string, fill: string, share: number): uPlot.Series => ({
      label: name, fill, stroke: fill, width: 0, points: { show: false },
      paths: (uPlot.paths.bars as NonNullable<typeof uPlot.paths.bars>)({ size: [share, rem * 4], radius: 0.18 }),
    });
    const made = new uPlot(
      {
        width: box.clientWidth, height: box.clientHeight, legend: { show: false }, padding: [rem * 0.5, 0, 0, 0],
        cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
        scales: { x: { time: false, range: [-0.6, 23.6] }, y: { range: (_, __, most) => [0, Math.max(most, 1) * 1.08] } },
        axes: [
          { ...axis, grid: { show: false }, size: rem * 1.9, space: rem * 2.6, incrs: [1, 2, 3, 6],
            values: (_, hours) => hours.map((hour) => (Number.isInteger(hour) && hour >= 0 && hour < 24 ? `${hour}:00` : "")) },
          { ...axis, grid: { stroke: colour("--line"), width: 1 }, size: rem * 4.2, space: rem * 3,
            values: (_, amounts) => amounts.map((amount) => shortMoney(amount, language)) },
        ],
        series: [{}, bars("yesterday", colour("--bar-quiet"), 0.86), bars("today", colour("--accent"), 0.52)],
        hooks: { setCursor: [(seen) => setPointed(seen.cursor.idx ?? null)] },
      },
      drawn.current,
      box,
    );
    chart.current = made;
    const watch = new ResizeObserver(() => made.setSize({ width: box.clientWidth, height: box.clientHeight }));
    watch.observe(box);
    return () => {
      watch.disconnect();
      made.destroy();
      chart.current = null;
    };
  }, [language, theme, deviceTheme]);

  useEffect(() => chart.current?.setData(drawn.current), [props.today, props.yesterday]);

  const shown = pointed ?? props.hour;
  return (
    <>
      <p className="legend" aria-hidden="true">
        <span className="legend-hour">{words.hourRange(`${shown}:00`, `${shown + 1}:00`)}</span>
        <span data-key="today">{words.hoy} <b>{money(props.today[shown] ?? 0, language)}</b></span>
        {props.yesterday && (
          <span data-key="yesterday">{words.ayer} <b>{money(props.yesterday[shown] ?? 0, language)}</b></span>
        )}
      </p>
      <div className="chart" ref={place} aria-hidden="true" />
      <table className="hidden">
        <caption>{words.byHour}</caption>
        <thead>
          <tr>
            <th scope="col">{words.hour}</th>
            <th scope="col">{words.hoy}</th>
            {props.yesterday && <th scope="col">{words.ayer}</th>}
          </tr>
        </thead>
        <tbody>
          {HOURS.map((hour) => (
            <tr key={hour}>
              <th scope="row">{count(hour, language)}:00</th>
              <td>{money(props.today[hour] ?? 0, language)}</td>
              {props.yesterday && <td>{money(props.yesterday[hour] ?? 0, language)}</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}
