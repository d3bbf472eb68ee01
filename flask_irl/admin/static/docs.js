// All addresses are relative to the page's, so that it works wherever the app is mounted.
window.ui = SwaggerUIBundle({
  dom_id: "#swagger-ui",
  url: "openapi.json",
  // Swagger UI would send the document to validator.swagger.io.
  validatorUrl: null,
  // A token lives as long as the page does.
  persistAuthorization: false,
  displayRequestDuration: true,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
});
