// Starts the page.
import { createRoot } from "react-dom/client";
import { App } from "./App.tsx";
import { apply } from "./settings.ts";
import "uplot/dist/uPlot.min.css";
import "./style.css";
import "./views.css";

apply();
createRoot(document.getElementById("page") as HTMLElement).render(<App />);
