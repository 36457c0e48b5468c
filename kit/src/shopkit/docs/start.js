SwaggerUIBundle({url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true, onComplete: () => { document.title = document.querySelector(".title")?.firstChild.textContent.trim() + " API" }})
