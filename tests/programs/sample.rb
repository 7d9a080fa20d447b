# frozen_string_literal: true

require "json"
require_relative "kinds"

# Reads parts of files and remembers them.
module Parts
  LIMIT = 32
  KINDS = {
    js: "script",
    mjs: "script",
    ts: "script",
    css: "style",
    scss: "style",
    html: "page",
    htm: "page",
    png: "image",
    jpg: "image",
    svg: "image",
    woff: "font",
    ttf: "font",
    json: "data",
  }.freeze

  class Error < StandardError; end

  # Holds parts of files.
  #
  # The oldest part leaves when there are too many of them. What is asked for
  # again stays longer.
  #
  # Not safe with threads: whoever shares one has to lock it.
  # Not made for files that change.
  class Reader
    include Enumerable
    attr_reader :root, :misses

    def initialize(root, limit: LIMIT)
      @root = root
      @limit = limit
      @misses = 0
      @parts = {}
    end

    def read(name, start, stop)
      key = "#{name}:#{start}-#{stop}"
      if @parts.key?(key)
        part = @parts.delete(key)
        @parts[key] = part
      elsif name.empty?
        raise Error, "no name"
      else
        @misses += 1
      end

      begin
        File.open(File.join(@root, name), "rb") do |file|
          file.seek(start)
          @parts[key] = file.read(stop - start)
        end
      rescue Errno::ENOENT => error
        warn error.message
        return nil
      ensure
        @parts.shift while @parts.size > @limit
      end
      @parts[key]
    end

    def each
      return enum_for(:each) unless block_given?

      @parts.each { |key, part|
        yield key, part.bytesize
      }
    end

    def usage
      text = <<~TEXT
        #{@parts.size} parts of #{@root}
        #{@misses} were not known
      TEXT
      text.lines.map(&:strip)
    end

    def self.kind_of(name)
      case File.extname(name).delete_prefix(".")
      when ""
        "none"
      when "map", "lock"
        "made"
      else
        KINDS.fetch(File.extname(name).delete_prefix(".").to_sym) do
          "other"
        end
      end
    end
  end
end

RSpec.describe Parts::Reader do
  let(:reader) { described_class.new("/tmp") }

  it "knows scripts" do
    %w[a.js b.mjs c.ts].each do |name|
      expect(described_class.kind_of(name)).to eq("script")
    end
  end

  it "counts what it does not know" do
    reader.read("nowhere", 0, 1)
    reader.read("nowhere", 0, 1)
    expect(reader.misses).to eq(2)
  end
end
