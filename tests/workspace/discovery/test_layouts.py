"""Twelve layouts as projects of their kind have them: what is found, each with the file and line that says so."""

from pathlib import Path
from textwrap import dedent

import pytest

from wfe_mcp.workspace.discovery.findings import ProjectFinding, findings_of
from wfe_mcp.workspace.discovery.project_listing import list_project

COMPOSE = """
services:
  web:
    build: .
    ports:
      - "8000:8000"
  db:
    image: postgres:16-alpine
    ports: ["127.0.0.1:5432:5432"]
  cache:
    image: redis:7
"""

LAYOUTS: dict[str, tuple[dict[str, str], str]] = {
    "Django with Postgres by compose": (
        {
            "manage.py": "import sys\nfrom django.core.management import execute_from_command_line\n",
            "requirements.txt": "Django==5.1\npsycopg[binary]==3.2\ncelery\ngunicorn\n",
            "compose.yml": COMPOSE,
            "shop/settings.py": ('DATABASES = {"default": {\n    "ENGINE": "django.db.backends.postgresql",\n}}\n'),
            "Dockerfile": 'FROM python:3.12-slim\nEXPOSE 8000\nCMD ["gunicorn", "shop.wsgi"]\n',
            ".env": "DATABASE_URL=mysql://user:secret@host/db\nPORT=6666\n",
        },
        """
        package manager  pip  requirements.txt:1
        framework  Django  requirements.txt:1
        framework  Celery  requirements.txt:3
        database  PostgreSQL  compose.yml:8
        database  PostgreSQL  shop/settings.py:2
        database  Redis  compose.yml:11
        service  web  compose.yml:3
        service  db  compose.yml:7
        service  cache  compose.yml:10
        port  8000  Dockerfile:2
        port  5432  compose.yml:9
        entry point  manage.py  manage.py:2
        entry point  gunicorn shop.wsgi  Dockerfile:3
        container  python:3.12-slim  Dockerfile:1
        """,
    ),
    "FastAPI with uv": (
        {
            "pyproject.toml": dedent(
                """
                [project]
                name = "api"
                requires-python = ">=3.12"
                dependencies = ["fastapi[standard]>=0.115", "sqlmodel", "asyncpg"]
                [project.scripts]
                api = "api.cli:main"
                [dependency-groups]
                dev = [
                  "pytest>=8",
                  "poethepoet",
                ]
                [tool.poe.tasks]
                lint = "ruff check ."
                """
            ).lstrip(),
            "uv.lock": "version = 1\n",
            "src/api/main.py": "from fastapi import FastAPI\n\napp = FastAPI()\n",
            "justfile": "set dotenv-load\nport := '1'\n# tests\ntest *ARGS:\n    uv run pytest {{ARGS}}\n\n@run:\n    fastapi dev\n",
        },
        """
        package manager  uv  uv.lock:1
        version  Python >=3.12  pyproject.toml:3
        framework  FastAPI  pyproject.toml:4
        framework  SQLModel  pyproject.toml:4
        database  PostgreSQL  pyproject.toml:4
        test runner  pytest  pyproject.toml:9
        entry point  api = api.cli:main  pyproject.toml:6
        entry point  main:app  src/api/main.py:3
        task  poe lint  pyproject.toml:13
        task  just test  justfile:4
        task  just run  justfile:7
        port  8000  pyproject.toml:4
        """,
    ),
    "Flask with tox": (
        {
            "setup.py": 'from setuptools import setup\nsetup(\n    name="blog",\n    python_requires=">=3.9",\n    install_requires=["Flask>=2", "PyMySQL"],\n)\n',
            "tox.ini": "[tox]\nenv_list = py311,lint\n\n[testenv]\ndeps =\n    pytest>=7\ncommands = pytest\n\n[testenv:lint]\ndeps = flake8\ncommands = flake8\n",
            "blog/__init__.py": "def create_app(config=None):\n    return None\n",
            "noxfile.py": "import nox\n\n@nox.session(python=['3.11'])\ndef docs(session):\n    pass\n\n@nox.session(python='3.11', name='check-links')\ndef links(session):\n    pass\n",
        },
        """
        version  Python >=3.9  setup.py:4
        framework  Flask  setup.py:5
        database  MySQL  setup.py:5
        test runner  pytest  tox.ini:6
        entry point  blog:create_app()  blog/__init__.py:1
        task  tox  tox.ini:1
        task  tox -e lint  tox.ini:9
        task  nox -s docs  noxfile.py:4
        task  nox -s check-links  noxfile.py:7
        port  5000  setup.py:5
        """,
    ),
    "Next.js in a monorepo of pnpm and turbo": (
        {
            "package.json": '{\n  "packageManager": "pnpm@9.1.0",\n  "engines": {"node": ">=20"},\n  "scripts": {\n    "build": "turbo build",\n    "test": "turbo test"\n  },\n  "devDependencies": {"turbo": "2"}\n}\n',
            "pnpm-lock.yaml": "lockfileVersion: '9.0'\n",
            "pnpm-workspace.yaml": "packages:\n  - apps/*\n  - packages/*\n",
            "turbo.json": "{}\n",
            "apps/web/package.json": '{\n  "dependencies": {\n    "next": "15",\n    "react": "19"\n  },\n  "scripts": {"dev": "next dev --port 3001"}\n}\n',
            "apps/web/app/layout.tsx": "export default function L() {}\n",
            "packages/db/package.json": '{"dependencies": {"@prisma/client": "6", "pg": "8"}}\n',
            "packages/db/prisma/schema.prisma": 'datasource db {\n  provider = "postgresql"\n}\n',
            ".github/workflows/ci.yml": "on: push\njobs:\n  test:\n    runs-on: x\n    services: {db: {image: 'mysql:8'}}\n    steps:\n      - uses: actions/checkout@v4\n      - run: pnpm install\n      - run: |\n          pnpm build\n          pnpm test\n",
        },
        """
        package manager  pnpm  package.json:2
        version  Node >=20  package.json:3
        framework  Turborepo  package.json:8
        framework  Next.js  apps/web/package.json:3
        framework  React  apps/web/package.json:4
        database  PostgreSQL  packages/db/package.json:1
        database  PostgreSQL  packages/db/prisma/schema.prisma:2
        database  MySQL  .github/workflows/ci.yml:5
        workspace  apps/*  pnpm-workspace.yaml:2
        workspace  packages/*  pnpm-workspace.yaml:3
        entry point  apps/web/app/layout.tsx  apps/web/app/layout.tsx:1
        task  pnpm run build  package.json:5
        task  pnpm test  package.json:6
        task  pnpm run dev  apps/web/package.json:6
        port  3001  apps/web/package.json:6
        ci  pnpm install  .github/workflows/ci.yml:8
        ci  pnpm build  .github/workflows/ci.yml:10
        ci  pnpm test  .github/workflows/ci.yml:11
        """,
    ),
    "Vite and vitest with npm": (
        {
            "package.json": '{\n  "scripts": {\n    "dev": "vite",\n    "test": "vitest run"\n  },\n  "dependencies": {"vue": "3"},\n  "devDependencies": {\n    "vite": "6",\n    "vitest": "2"\n  }\n}\n',
            "package-lock.json": "{}\n",
            "vite.config.ts": "export default {\n  server: { port: 8080 },\n}\n",
            "index.html": '<body>\n<script type="module" src="/src/main.ts"></script>\n',
            ".nvmrc": "v22.3.0\n",
        },
        """
        package manager  npm  package-lock.json:1
        version  Node v22.3.0  .nvmrc:1
        framework  Vue  package.json:6
        framework  Vite  package.json:8
        test runner  vitest  package.json:9
        entry point  src/main.ts  index.html:2
        task  npm run dev  package.json:3
        task  npm test  package.json:4
        port  8080  vite.config.ts:2
        """,
    ),
    "Express with yarn": (
        {
            "package.json": '{\n  "main": "server.js",\n  "scripts": {"start": "node server.js"},\n  "dependencies": {\n    "express": "^4",\n    "mongoose": "8",\n    "ioredis": "5"\n  },\n  "devDependencies": {"jest": "29"}\n}\n',
            "yarn.lock": "# yarn lockfile v1\n",
            "server.js": "const app = require('express')();\nconst port = process.env.PORT || 4000;\napp.listen(port);\n",
            "Taskfile.yml": "version: '3'\ntasks:\n  deploy:\n    cmds: [echo]\n  lint: eslint .\n",
        },
        """
        package manager  yarn  yarn.lock:1
        framework  Express  package.json:5
        database  MongoDB  package.json:6
        database  Redis  package.json:7
        test runner  jest  package.json:9
        entry point  server.js  package.json:2
        task  yarn run start  package.json:3
        task  task deploy  Taskfile.yml:3
        task  task lint  Taskfile.yml:5
        port  4000  server.js:2
        """,
    ),
    "Rust with a workspace": (
        {
            "Cargo.toml": '[workspace]\nmembers = ["crates/*"]\n\n[workspace.package]\nrust-version = "1.80"\n\n[workspace.dependencies]\naxum = "0.7"\n',
            "crates/api/Cargo.toml": '[package]\nname = "api"\n\n[dependencies]\naxum.workspace = true\nsqlx = { version = "0.8", features = ["runtime-tokio", "postgres"] }\n',
            "crates/api/src/main.rs": 'use axum;\n\n#[tokio::main]\nasync fn main() {\n    bind("0.0.0.0:3100").await;\n}\n',
            "crates/core/Cargo.toml": '[package]\nname = "core"\n',
            "mise.toml": '[tools]\nrust = "1.80"\n[tasks.check]\nrun = "cargo check"\n',
        },
        """
        package manager  cargo  Cargo.toml:1
        version  Rust 1.80  Cargo.toml:5
        version  rust 1.80  mise.toml:2
        workspace  crates/*  Cargo.toml:2
        framework  Axum  Cargo.toml:8
        framework  Axum  crates/api/Cargo.toml:5
        framework  SQLx  crates/api/Cargo.toml:6
        database  PostgreSQL  crates/api/Cargo.toml:6
        entry point  crates/api/src/main.rs  crates/api/src/main.rs:4
        port  3100  crates/api/src/main.rs:5
        task  mise run check  mise.toml:3
        """,
    ),
    "Go with a Makefile": (
        {
            "go.mod": "module example.org/shop\n\ngo 1.23\n\nrequire (\n\tgithub.com/gin-gonic/gin v1.10.0\n\tgithub.com/jackc/pgx/v5 v5.7.1\n\tgithub.com/lib/pq v1.0.0 // indirect\n)\n",
            "cmd/shop/main.go": 'package main\n\nfunc main() {\n\tr.Run(":9090")\n}\n',
            "Makefile": "GO := go\n.PHONY: test lint\ntest:\n\t$(GO) test ./...\nlint: deps\n\tgolangci-lint run\n",
            ".gitlab-ci.yml": "test:\n  script:\n    - make test\n",
        },
        """
        package manager  go  go.mod:1
        version  Go 1.23  go.mod:3
        framework  Gin  go.mod:6
        database  PostgreSQL  go.mod:7
        entry point  go run ./cmd/shop  cmd/shop/main.go:3
        port  9090  cmd/shop/main.go:4
        task  make test  Makefile:3
        task  make lint  Makefile:5
        ci  make test  .gitlab-ci.yml:3
        """,
    ),
    "Spring with Maven": (
        {
            "pom.xml": "<project>\n<properties><java.version>21</java.version></properties>\n<dependencies>\n<artifactId>spring-boot-starter-web</artifactId>\n<artifactId>postgresql</artifactId>\n<artifactId>spring-boot-starter-test</artifactId>\n</dependencies>\n</project>\n",
            "mvnw": "#!/bin/sh\n",
            "src/main/java/org/shop/web/ShopApplication.java": "package org.shop.web;\n\n@SpringBootApplication\npublic class ShopApplication {\n  public static void main(String[] a) {}\n}\n",
            "src/main/resources/application.properties": "server.port=8081\nspring.datasource.url=jdbc:postgresql://localhost/shop\n",
        },
        """
        package manager  maven  pom.xml:1
        version  Java 21  pom.xml:2
        framework  Spring Boot  pom.xml:4
        database  PostgreSQL  pom.xml:5
        database  PostgreSQL  src/main/resources/application.properties:2
        test runner  JUnit  pom.xml:6
        port  8081  src/main/resources/application.properties:1
        entry point  src/main/java/org/shop/web/ShopApplication.java  src/main/java/org/shop/web/ShopApplication.java:3
        """,
    ),
    "Kotlin with Gradle": (
        {
            "settings.gradle.kts": 'rootProject.name = "shop"\ninclude(":server")\n',
            "build.gradle.kts": 'plugins {\n    kotlin("jvm") version "2.0"\n}\n',
            "server/build.gradle.kts": 'plugins {\n    id("io.ktor.plugin") version "3.0"\n}\ndependencies {\n    implementation("io.ktor:ktor-server-netty:3.0")\n    implementation("com.h2database:h2:2.2")\n    testImplementation("org.junit.jupiter:junit-jupiter:5.11")\n}\nkotlin { jvmToolchain(21) }\napplication { mainClass.set("org.shop.MainKt") }\n',
            "server/src/main/kotlin/org/shop/Main.kt": "package org.shop\n\nfun main() {}\n",
        },
        """
        package manager  gradle  build.gradle.kts:1
        version  Java 21  server/build.gradle.kts:9
        workspace  server  settings.gradle.kts:2
        framework  Ktor  server/build.gradle.kts:2
        database  H2  server/build.gradle.kts:6
        test runner  JUnit  server/build.gradle.kts:7
        entry point  org.shop.MainKt  server/build.gradle.kts:10
        entry point  server/src/main/kotlin/org/shop/Main.kt  server/src/main/kotlin/org/shop/Main.kt:3
        port  8080  server/build.gradle.kts:2
        """,
    ),
    "Laravel": (
        {
            "composer.json": '{\n  "require": {\n    "php": "^8.2",\n    "laravel/framework": "^11"\n  },\n  "require-dev": {"phpunit/phpunit": "^11"},\n  "scripts": {"test": "artisan test"}\n}\n',
            "composer.lock": "{}\n",
            "artisan": "#!/usr/bin/env php\n",
            "public/index.php": "<?php\n",
            ".env.example": "APP_KEY=\nDB_CONNECTION=mysql\n",
        },
        """
        package manager  composer  composer.json:2
        version  PHP ^8.2  composer.json:3
        framework  Laravel  composer.json:4
        database  MySQL  .env.example:2
        test runner  PHPUnit  composer.json:6
        entry point  artisan  artisan:1
        entry point  public/index.php  public/index.php:1
        task  composer run-script test  composer.json:7
        port  8000  composer.json:4
        """,
    ),
    "Ruby on Rails": (
        {
            "Gemfile": 'source "https://rubygems.org"\nruby "3.3.1"\ngem "rails", "~> 8.0"\ngem "pg"\ngem "sidekiq"\n',
            "config.ru": "run App\n",
            "config/database.yml": "default: &default\n  adapter: postgresql\ndevelopment:\n  <<: *default\n",
            "config/puma.rb": 'port ENV.fetch("PORT", 3000)\n',
            "Procfile": "web: bundle exec puma -C config/puma.rb\n",
            ".devcontainer/devcontainer.json": '{\n  // comments are allowed\n  "image": "ruby:3.3",\n  "forwardPorts": [3000],\n  "postCreateCommand": "bin/setup",  // once\n  /* no more */\n}\n',
        },
        """
        package manager  bundler  Gemfile:1
        version  Ruby 3.3.1  Gemfile:2
        framework  Ruby on Rails  Gemfile:3
        framework  Sidekiq  Gemfile:5
        database  PostgreSQL  Gemfile:4
        database  PostgreSQL  config/database.yml:2
        entry point  config.ru  config.ru:1
        entry point  bundle exec puma -C config/puma.rb  Procfile:1
        port  3000  config/puma.rb:1
        port  3000  .devcontainer/devcontainer.json:4
        container  ruby:3.3  .devcontainer/devcontainer.json:3
        setup  bin/setup  .devcontainer/devcontainer.json:5
        """,
    ),
}


def project(root: Path, files: dict[str, str]) -> tuple[ProjectFinding, ...]:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return findings_of(list_project(root))


@pytest.mark.requirement("S4-31")
@pytest.mark.parametrize(("files", "expected"), LAYOUTS.values(), ids=LAYOUTS)
def test_what_a_project_is_follows_from_its_files_with_the_line_that_says_so(
    tmp_path: Path, files: dict[str, str], expected: str
) -> None:
    found = {f"{each.kind}  {each.value}  {each.file}:{each.line}" for each in project(tmp_path, files)}
    assert found == {line.strip() for line in expected.splitlines() if line.strip()}
