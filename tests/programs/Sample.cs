using System;
using System.Collections.Generic;
using System.IO;
using System.Threading.Tasks;

namespace Example.Parts
{
    public enum Level
    {
        Low = 1,
        Middle,
        High,
    }

    /// <summary>
    /// Reads parts of files and remembers them.
    /// </summary>
    /// <remarks>
    /// The oldest part leaves when there are too many of them.
    /// What is asked for again stays longer.
    /// Not safe with threads.
    /// </remarks>
    [Serializable]
    public sealed class Reader<TKey> : IDisposable where TKey : notnull
    {
        private const int Limit = 32;
        private readonly Dictionary<TKey, byte[]> parts = new();
        private readonly Queue<TKey> order = new();
        private int misses;

        public Reader(string root)
        {
            Root = root ?? throw new ArgumentNullException(nameof(root));
            misses = 0;
        }

        public event EventHandler? Missed;

        public string Root { get; }

        public int Misses
        {
            get { return misses; }
            private set
            {
                if (value > misses)
                {
                    Missed?.Invoke(this, EventArgs.Empty);
                }
                misses = value;
            }
        }

        public async Task<byte[]?> ReadAsync(TKey key, string name, int start, int end)
        {
            if (parts.TryGetValue(key, out var known))
            {
                return known;
            }
            else if (string.IsNullOrEmpty(name))
            {
                throw new ArgumentException("no name", nameof(name));
            }
            else
            {
                Misses++;
            }

            try
            {
                await using var file = File.OpenRead(Path.Combine(Root, name));
                var part = new byte[end - start];
                file.Seek(start, SeekOrigin.Begin);
                await file.ReadAsync(part.AsMemory());
                parts[key] = part;
                order.Enqueue(key);
            }
            catch (FileNotFoundException) when (start == 0)
            {
                return null;
            }
            finally
            {
                while (parts.Count > Limit)
                {
                    parts.Remove(order.Dequeue());
                }
            }
            return parts[key];
        }

        public static string KindOf(string name)
        {
            switch (Path.GetExtension(name))
            {
                case "":
                    return "none";
                case ".map":
                case ".lock":
                    return "made";
                default:
                    break;
            }
            return name switch
            {
                { Length: > 40 } => "long",
                _ => "other",
            };
        }

        public void Dispose()
        {
            parts.Clear();
            order.Clear();
        }
    }
}
