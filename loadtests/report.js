// Pointer over any chart: one line at the same moment in all of them, and the values of the chart under the pointer.
(function () {
  const LEFT = 56, RIGHT = 14, WIDTH = 1000;
  const charts = [...document.querySelectorAll("svg.chart[data-seconds]")];
  const readout = document.getElementById("readout");
  const clock = s => Math.floor(s / 60) + ":" + String(Math.floor(s % 60)).padStart(2, "0");
  for (const svg of charts) {
    const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
    line.setAttribute("class", "cursor");
    line.setAttribute("y1", 8);
    line.setAttribute("y2", svg.viewBox.baseVal.height - 20);
    line.style.display = "none";
    svg.append(line);
    svg.addEventListener("mousemove", move => {
      const box = svg.getBoundingClientRect();
      const x = Math.min(Math.max((move.clientX - box.left) / box.width * WIDTH, LEFT), WIDTH - RIGHT);
      const at = (x - LEFT) / (WIDTH - LEFT - RIGHT) * svg.dataset.seconds;
      for (const other of charts) {
        const cursor = other.querySelector(".cursor");
        cursor.style.display = "";
        cursor.setAttribute("x1", x);
        cursor.setAttribute("x2", x);
      }
      const rows = (svg.dataset.lines || "").split("|").filter(Boolean).map(text => {
        const [name, , data] = text.split("~");
        let best = null;
        for (const pair of data.split(";").filter(Boolean)) {
          const [t, v] = pair.split(",").map(Number);
          if (best === null || Math.abs(t - at) < Math.abs(best[0] - at)) best = [t, v];
        }
        return best && Math.abs(best[0] - at) < 6 ? name + "  " + best[1] + " " + svg.dataset.unit : name + "  –";
      });
      readout.textContent = [clock(at), ...rows].join("\n");
      readout.hidden = false;
      readout.style.left = Math.min(move.clientX + 14, innerWidth - 220) + "px";
      readout.style.top = move.clientY + 14 + "px";
    });
    svg.addEventListener("mouseleave", () => {
      readout.hidden = true;
      for (const other of charts) other.querySelector(".cursor").style.display = "none";
    });
  }
})();
