"""The test files, and build files, of the projects in ``runner_projects``: one test that passes, ``bad``, and one that is skipped."""

UNITTEST = """import unittest


class Calc(unittest.TestCase):
    def test_adds(self):
        self.assertEqual(1 + 1, 2)

    def test_bad(self):
        self.assertEqual(1, 2)

    @unittest.skip("later")
    def test_later(self):
        pass
"""
NODE = """import assert from 'node:assert';
import test, { describe } from 'node:test';
test('adds', () => assert.equal(1 + 1, 2));
describe('suite', () => {
  test('bad', () => assert.equal(1, 2));
  test.skip('later', () => {});
});
"""
JEST = """test('adds', () => { expect(1 + 1).toBe(2); });
describe('suite', () => {
  test('bad', () => { expect(1).toBe(2); });
  test.skip('later', () => {});
});
"""
MOCHA = """const assert = require('assert');
it('adds', () => assert.equal(1 + 1, 2));
describe('suite', () => {
  it('bad', () => assert.equal(1, 2));
  it.skip('later', () => {});
});
"""
DENO = """Deno.test('adds', () => { if (1 + 1 !== 2) throw new Error('no'); });
Deno.test('bad', () => { if (Number('1') !== 2) throw new Error('1 is not 2'); });
Deno.test.ignore('later', () => {});
"""
EXUNIT = """defmodule CalcTest do
  use ExUnit.Case

  test "adds" do
    assert 1 + 1 == 2
  end

  test "bad" do
    assert 1 == 2
  end

  @tag :skip
  test "later" do
    assert false
  end
end
"""
GO = """package calc

import "testing"

func TestAdds(t *testing.T) {}

func TestBad(t *testing.T) {
	t.Run("inner", func(t *testing.T) {
		if 1 != 2 {
			t.Error("1 is not 2")
		}
	})
}

func TestLater(t *testing.T) { t.Skip() }
"""
RUST = """#[cfg(test)]
mod tests {
    #[test]
    fn adds() { assert_eq!(1 + 1, 2); }
    #[test]
    fn bad() { assert_eq!(1, 2); }
    #[test]
    #[ignore]
    fn later() {}
}
"""
RSPEC = """RSpec.describe "Calc" do
  it("adds") { expect(1 + 1).to eq(2) }
  it("bad") { expect(1).to eq(2) }
  xit("later") { }
end
"""
MINITEST = """require "minitest/autorun"
class CalcTest < Minitest::Test
  def test_adds; assert_equal 2, 1 + 1; end
  def test_bad; assert_equal 1, 2; end
  def test_later; skip; end
end
"""
PHP = """<?php
class CalcTest extends PHPUnit\\Framework\\TestCase {
    public function testAdds(): void { $this->assertSame(2, 1 + 1); }
    public function testBad(): void { $this->assertSame(1, 2); }
    public function testLater(): void { $this->markTestSkipped(); }
}
"""
CTEST = """cmake_minimum_required(VERSION 3.10)
project(calc NONE)
enable_testing()
add_test(NAME adds COMMAND ${CMAKE_COMMAND} -E true)
add_test(NAME bad COMMAND ${CMAKE_COMMAND} -E false)
add_test(NAME later COMMAND ${CMAKE_COMMAND} -E true)
set_tests_properties(later PROPERTIES DISABLED TRUE)
"""
BATS = """@test "adds" { [ 2 -eq 2 ]; }
@test "bad" { [ 1 -eq 2 ]; }
@test "later" { skip; }
"""
TAP = """print "1..3\\nok 1 - adds\\nnot ok 2 - bad\\nok 3 - later # SKIP\\n";
"""
JAVA = """import static org.junit.Assert.assertEquals;
import org.junit.Ignore;
import org.junit.Test;

public class CalcTest {
    @Test public void adds() { assertEquals(2, 1 + 1); }
    @Test public void bad() { assertEquals(1, 2); }
    @Ignore @Test public void later() { }
}
"""
POM = """<project><modelVersion>4.0.0</modelVersion>
<groupId>x</groupId><artifactId>calc</artifactId><version>1</version>
<properties><maven.compiler.source>8</maven.compiler.source><maven.compiler.target>8</maven.compiler.target>
<project.build.sourceEncoding>UTF-8</project.build.sourceEncoding></properties>
<dependencies><dependency><groupId>junit</groupId><artifactId>junit</artifactId><version>4.x</version></dependency></dependencies>
</project>
"""
CSHARP = """using Xunit;

public class CalcTest {
    [Fact] public void Adds() { Assert.Equal(2, 1 + 1); }
    [Fact] public void Bad() { Assert.Equal(1, 2); }
    [Fact(Skip = "later")] public void Later() { }
}
"""
CSPROJ = """<Project Sdk="Microsoft.NET.Sdk">
<PropertyGroup><TargetFramework>net8.0</TargetFramework></PropertyGroup>
<ItemGroup><PackageReference Include="Microsoft.NET.Test.Sdk" Version="17.10.0" />
<PackageReference Include="xunit" Version="2.8.1" /><PackageReference Include="xunit.runner.visualstudio" Version="2.8.1" />
</ItemGroup></Project>
"""
GRADLE = """apply plugin: 'java'
dependencies { testCompile files('/usr/share/java/junit4.jar', '/usr/share/java/hamcrest-core.jar') }
"""
