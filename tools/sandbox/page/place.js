// The form for a location that a person shares.

import { shareForm } from "./share-form.js";

/** `share(location)` gives whether it was sent. */
export function placeForm(name, share) {
  const degrees = (digits) => ({ required: true, inputmode: "decimal", pattern: `-?[0-9]{1,${digits}}(\\.[0-9]+)?` });
  const inputs = [
    { label: "Latitude", name: "latitude", value: "37.7955", ...degrees(2) },
    { label: "Longitude", name: "longitude", value: "-122.3937", ...degrees(3) },
    { label: "Place", name: "label", value: "Ferry Building" },
    { label: "Street", name: "address", value: "1 Ferry Building, San Francisco" },
  ];
  return shareForm(`Location of ${name}`, inputs, ({ latitude, longitude, ...texts }) => {
    const given = Object.entries(texts).filter(([, text]) => text);
    return share({ latitude: Number(latitude), longitude: Number(longitude), ...Object.fromEntries(given) });
  });
}
