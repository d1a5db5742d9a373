/** Where the API is: in the lab behind the page's own address, on AWS at `api.` before the page's name. */
export function apiBase(place: { protocol: string; host: string }): string {
  return place.protocol === "https:" ? `https://api.${place.host}` : "";
}
